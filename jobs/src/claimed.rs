//! A job in a worker's hand.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::{
    BatchOutcome, JobId, NewJob, Queue, QueueError,
    job::{DEFAULT_ATTEMPTS, DEFAULT_TIMEOUT},
    lease::Hold,
    new_job::from_millis,
};

/// The event that a job goes back to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Its CloudEvents id.
    pub event_id: String,
    /// Its CloudEvents source.
    pub event_source: String,
    /// Its type.
    pub event_type: String,
    /// Shared by everything that one request set off.
    pub correlation_id: String,
    /// W3C `traceparent` of the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// W3C `tracestate`, as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracestate: Option<String>,
    /// W3C `baggage`, as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baggage: Option<String>,
    /// Where it lay: `topic/partition/offset`.
    pub record: String,
}

/// A job that this worker holds a lease on.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Its id: one of its own, as its event gave it, or that of the queue.
    pub id: String,
    /// Its kind.
    pub kind: Arc<str>,
    /// Version of its arguments' shape.
    pub version: u32,
    /// The queue it came from.
    pub queue: Arc<str>,
    /// Its arguments as JSON.
    pub payload: String,
    /// Which run this is, from 1. Runs that were cut off, as by a crash, count.
    pub attempt: u32,
    /// After this many it is dead.
    pub max_attempts: u32,
    /// How long this run may take.
    pub timeout: Duration,
    /// When what it is about happened; or else when it was enqueued.
    pub time: DateTime<Utc>,
    /// The event it goes back to, if any. In a box, as it is large and a job is moved often.
    pub origin: Option<Box<Origin>>,
    /// What became of its batch, if it is the callback of one.
    pub batch: Option<BatchOutcome>,
    /// The tick of its schedule, if it has one: when it was to run, whenever it does.
    pub tick: Option<DateTime<Utc>>,
    /// Fires when the lease is lost: another worker has the job, and this run's result will not count; and when the
    /// job is cancelled while it runs.
    pub lost: CancellationToken,
    /// When it was to run, of a job that has never run and was never put off.
    pub(crate) due: Option<Instant>,
    pub(crate) hold: Hold,
}

/// The way of a running job to say how far it is.
#[derive(Clone)]
pub struct Notes {
    // A queue is more than a pointer or two, and this is made for every job that runs.
    queue: Arc<Queue>,
    hold: Hold,
}

impl Claimed {
    /// A job as a worker would have it in hand at its `attempt`-th run, though no queue knows of it: for tests.
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
            origin: job.more.origin.clone(),
            tick: job.more.tick.map(from_millis),
            batch: job.more.batch.clone(),
            lost: hold.lost().clone(),
            due: None,
            hold,
        }
    }

    /// What its queue calls it.
    pub fn key(&self) -> JobId {
        self.hold.id()
    }

    /// The way to say how far it is.
    pub fn notes(&self, queue: &Queue) -> Notes {
        self.notes_to(Arc::new(queue.clone()))
    }

    /// The same for a worker, whose jobs share the queue.
    pub fn notes_to(&self, queue: Arc<Queue>) -> Notes {
        Notes { queue, hold: self.hold.clone() }
    }

    /// For how long it has been due. Known of first runs: what was put off, handed back or tried before is due at a time
    /// that only Redis knows.
    pub fn waited(&self) -> Option<Duration> {
        self.due.map(|due| due.elapsed())
    }

    /// Whether somebody wants it stopped, as opposed to a lease that was lost.
    pub fn is_cancelled(&self) -> bool {
        self.hold.is_stopped()
    }
}

impl Notes {
    /// Notes how much is done, 0 to 100 percent.
    pub async fn progress(&self, percent: f64) -> Result<(), QueueError> {
        self.write(&percent.clamp(0.0, 100.0).to_string(), "").await
    }

    /// Adds a line to the job's own log, of which the last twenty are kept; a longer one than 500 characters is cut.
    pub async fn log(&self, line: &str) -> Result<(), QueueError> {
        self.write("", &line.chars().take(500).collect::<String>()).await
    }

    async fn write(&self, progress: &str, line: &str) -> Result<(), QueueError> {
        self.hold.note();
        let mut call = self.queue.prepare(&self.queue.queues.scripts.note);
        call.arg(self.hold.token()).arg(self.hold.id().as_str()).arg(progress).arg(line);
        // A job whose lease is lost is told so by its token.
        self.queue.run::<bool>(&call).await.map(drop)
    }
}
