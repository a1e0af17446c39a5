//! Dead jobs, on their way to the dead-letter topic.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::{
    Failure, FailureView, JobId, Origin, Queue, QueueError,
    look::STEP,
    new_job::{from_millis, millis},
    record::{Past, Record},
    revival::head_of,
};

/// A dead job on its way to the dead-letter topic.
#[derive(Debug, Clone)]
pub struct DeadJob {
    /// What its queue calls it.
    pub key: JobId,
    /// Its id: one of its own, as its event gave it, or that of the queue.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// All of its record but the arguments, for [`Revival`](crate::Revival); empty, if it cannot be read.
    pub head: String,
    /// Its arguments as JSON.
    pub payload: String,
    /// How often it ran.
    pub attempts: u32,
    /// How often it had come back from the dead letters before.
    pub redrives: u32,
    /// Why it died.
    pub failure: Failure,
    /// How its attempts failed, oldest first; of many the last twenty.
    pub failures: Vec<FailureView>,
    /// When it first failed.
    pub first_failed_at: DateTime<Utc>,
    /// When it failed last.
    pub failed_at: DateTime<Utc>,
    /// The event it goes back to, if any.
    pub origin: Option<Box<Origin>>,
}

impl DeadJob {
    /// Reads what lies in Redis. An entry that is broken still has to reach the dead-letter topic, with the bytes there are.
    pub(crate) fn read(id: JobId, record: &str, past: &str) -> Self {
        Self::of(id, record, past).unwrap_or_else(|reason| Self {
            key: id,
            id: id.to_string(),
            kind: "unknown".into(),
            head: String::new(),
            payload: record.to_owned(),
            attempts: 0,
            redrives: 0,
            failures: Vec::new(),
            failure: Failure::new("undecodable", reason),
            first_failed_at: DateTime::UNIX_EPOCH,
            failed_at: DateTime::UNIX_EPOCH,
            origin: None,
        })
    }

    fn of(id: JobId, record: &str, past: &str) -> Result<Self, String> {
        let head = head_of(id, record);
        let (record, past) = (Record::read(record)?, Past::read(past)?);
        let (first, last) = past.failures.first().zip(past.failures.last()).ok_or("it has no failure")?;
        Ok(Self {
            key: id,
            id: record.more.id.unwrap_or_else(|| id.to_string()),
            kind: record.kind.to_owned(),
            head,
            payload: record.payload.to_owned(),
            attempts: past.attempts,
            redrives: record.more.redrives,
            failure: Failure::new(&last.code, &last.message),
            first_failed_at: from_millis(first.at),
            failed_at: from_millis(last.at),
            origin: record.more.origin,
            failures: past.failures.into_iter().map(FailureView::from).collect(),
        })
    }
}

impl Queue {
    /// Gives up to `most` dead jobs to this caller alone for `lease`, to be made safe elsewhere.
    pub async fn claim_dead(&self, most: usize, lease: Duration) -> Result<Vec<DeadJob>, QueueError> {
        let mut call = self.prepare(&self.queues.scripts.claim_dead);
        call.arg(most).arg(millis(lease));
        let values: Vec<String> = self.run(&call).await?;
        let read = |entry: &[String]| {
            let [id, record, past] = entry else { return Err(QueueError::strange_answer("claim_dead", "")) };
            let id = id.parse().map_err(|_| QueueError::strange_answer("claim_dead", id))?;
            Ok(DeadJob::read(id, record, past))
        };
        values.chunks(3).map(read).collect()
    }

    /// Keeps dead jobs that could not be made safe elsewhere; nobody is given them before `pause` has passed.
    pub async fn keep_dead(&self, ids: &[JobId], pause: Duration) -> Result<(), QueueError> {
        for ids in ids.chunks(STEP) {
            let mut call = self.prepare(&self.queues.scripts.keep_dead);
            call.arg(millis(pause));
            for id in ids {
                call.arg(id.as_str());
            }
            self.run::<()>(&call).await?;
        }
        Ok(())
    }

    /// Removes dead jobs by the queue's [policy](crate::Limits::dead_keep), if it has one: some each call. Gives how
    /// many were removed, and how many soon will be. Without `remove` it only says so.
    pub async fn prune_dead(&self, remove: bool) -> Result<(u64, u64), QueueError> {
        let mut call = self.prepare(&self.queues.scripts.prune);
        call.arg(u8::from(remove));
        self.run(&call).await
    }
}
