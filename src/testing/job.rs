//! Jobs as a test sees them.

use std::ops::Deref;

use chrono::{DateTime, Utc};
use millgate_jobs::{Job, Verdict};

/// A job that is enqueued. Its arguments can be used as if they were its own.
#[derive(Debug, Clone, PartialEq)]
pub struct EnqueuedJob<J> {
    /// Its arguments.
    pub args: J,
    /// Its id.
    pub id: String,
    /// 0 runs first, 9 last.
    pub priority: u8,
    /// When it may run; `None`: now.
    pub run_at: Option<DateTime<Utc>>,
    /// Its unique key.
    pub unique: Option<String>,
    /// How often it has failed.
    pub attempts: u32,
}

impl<J> Deref for EnqueuedJob<J> {
    type Target = J;
    fn deref(&self) -> &J {
        &self.args
    }
}

/// One run of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Ran {
    /// The job's id.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// Its queue.
    pub queue: String,
    /// Its arguments as JSON.
    pub payload: String,
    /// Which run it was, from 1.
    pub attempt: u32,
    /// What it came to.
    pub verdict: Verdict,
}

impl Ran {
    /// Its arguments, if it is a job of kind `J`.
    pub fn job<J: Job>(&self) -> Option<J> {
        (self.kind == J::KIND).then(|| read(&self.payload))
    }
}

pub(super) fn read<J: Job>(payload: &str) -> J {
    serde_json::from_str(payload).unwrap_or_else(|error| panic!("{payload} is no {}: {error}", J::KIND))
}

/// As an assertion that failed shows them.
pub(super) fn list<J: Job>(jobs: &[EnqueuedJob<J>]) -> String {
    let line = |job: &EnqueuedJob<J>| {
        let args = serde_json::to_string(&job.args).unwrap_or_default();
        let at = job.run_at.map(|at| format!(", at {at}")).unwrap_or_default();
        format!("\n  {args}, priority {}{at}", job.priority)
    };
    if jobs.is_empty() { "none".to_owned() } else { jobs.iter().map(line).collect() }
}
