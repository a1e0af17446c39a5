//! Jobs one at a time, for those who test handlers. A worker takes many, and keeps their leases.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::{
    Claimed, JobId, NewJob, Queue, QueueError, Verdict,
    job::{DEFAULT_ATTEMPTS, DEFAULT_TIMEOUT},
    lease::Hold,
    new_job::from_millis,
    settle::Settlement,
};

/// Longer than any test; nobody renews it.
const LEASE: Duration = Duration::from_hours(24);

impl Claimed {
    /// A job as a worker would have it in hand at its `attempt`-th run, though no queue knows of it.
    pub fn for_test(job: &NewJob, id: &str, attempt: u32, now: DateTime<Utc>) -> Self {
        let hold = Hold::new("".into(), JobId::NONE, job.kind.as_str().into(), None);
        Self {
            id: job.id.clone().unwrap_or_else(|| id.to_owned()),
            kind: job.kind.as_str().into(),
            version: job.version,
            queue: job.queue.as_str().into(),
            payload: job.payload.clone(),
            attempt,
            max_attempts: job.more.max_attempts.unwrap_or(DEFAULT_ATTEMPTS),
            timeout: job.more.timeout_ms.map_or(DEFAULT_TIMEOUT, Duration::from_millis),
            time: job.time.unwrap_or(now),
            origin: job.more.origin.clone().map(Box::new),
            tick: job.more.tick.map(from_millis),
            batch: job.more.batch.clone(),
            lost: hold.lost().clone(),
            hold,
        }
    }
}

impl Queue {
    /// Takes the job that is next, if one is due. It has to be [settled](Self::settle_one). Those that cannot be read
    /// are dead at once.
    pub async fn take_one(&self) -> Result<Option<Claimed>, QueueError> {
        loop {
            let claim = self.claim(&self.queues.link, 1, LEASE).await?;
            let unreadable = claim.unreadable.into_iter();
            let dead =
                unreadable.map(|(hold, failure)| Settlement { run: 0, hold, verdict: Verdict::Dead { failure } });
            let mut dead: Vec<_> = dead.collect();
            if dead.is_empty() {
                return Ok(claim.jobs.into_iter().next());
            }
            self.settle(&mut dead).await?;
        }
    }

    /// Says what became of a job that was taken.
    pub async fn settle_one(&self, job: Claimed, verdict: Verdict) -> Result<(), QueueError> {
        self.settle(&mut [Settlement { run: 0, hold: job.hold, verdict }]).await.map(drop)
    }
}
