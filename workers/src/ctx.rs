//! What a handler knows beyond its arguments.

use chrono::{DateTime, Utc};
use millgate_jobs::{BatchOutcome, Claimed, Origin};
use tokio_util::sync::CancellationToken;

use crate::{JobError, State};

/// One run of one job.
#[derive(Clone)]
pub struct Ctx {
    /// The job's id: the same at every attempt, and for the same event again.
    pub job_id: String,
    /// Which run this is, from 1.
    pub attempt: u32,
    /// After this many the job is dead.
    pub max_attempts: u32,
    /// When what the job is about happened.
    pub time: DateTime<Utc>,
    /// The event that the job goes back to, if any.
    pub origin: Option<Origin>,
    /// What became of the batch that this job follows, if it follows one.
    pub batch: Option<BatchOutcome>,
    /// The tick of the job's schedule, if it has one: when it was to run, whenever it does.
    pub tick: Option<DateTime<Utc>>,
    /// Fires when this run is no longer wanted: its lease is lost, or the worker stops.
    pub cancelled: CancellationToken,
    state: State,
}

impl Ctx {
    pub(crate) fn new(job: &Claimed, state: State) -> Self {
        Self {
            job_id: job.id.clone(),
            attempt: job.attempt,
            max_attempts: job.max_attempts,
            time: job.time,
            origin: job.origin.clone(),
            batch: job.batch.clone(),
            tick: job.tick,
            cancelled: job.lost.clone(),
            state,
        }
    }

    /// A context for calling a handler in a test.
    pub fn for_test(job_id: &str, time: DateTime<Utc>, state: State) -> Self {
        Self {
            job_id: job_id.to_owned(),
            attempt: 1,
            max_attempts: 1,
            time,
            origin: None,
            batch: None,
            tick: None,
            cancelled: CancellationToken::new(),
            state,
        }
    }

    /// A value that the App was given with `.state(…)`.
    pub fn state<T: Send + Sync + 'static>(&self) -> Result<&T, JobError> {
        self.state.get()
    }
}
