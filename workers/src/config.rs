//! The `[worker]` section: how many jobs at a time, and how long each may take to die.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How a worker process runs jobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerConfig {
    /// Queues to work on. Empty: every queue that has a handler.
    pub queues: Vec<String>,
    /// Most jobs in hand at a time, per queue.
    pub concurrency: usize,
    /// A job whose worker has not renewed its lease for this long is given to another.
    #[serde(with = "humantime_serde")]
    pub lease: Duration,
    /// On shutdown: how long jobs in hand may still take before they are handed back.
    #[serde(with = "humantime_serde")]
    pub shutdown_timeout: Duration,
    /// How long a job that is stopped while it runs may still take to end by itself.
    #[serde(with = "humantime_serde")]
    pub cancel_grace: Duration,
    /// First pause before a failed job runs again; doubles each time. Unless its kind declares a backoff of its own.
    #[serde(with = "humantime_serde")]
    pub backoff_base: Duration,
    /// Longest such pause.
    #[serde(with = "humantime_serde")]
    pub backoff_max: Duration,
    /// Error codes with which a job is tried again, whatever its handler says.
    pub retry_codes: Vec<String>,
    /// Error codes with which a job is dead at once, whatever its handler says.
    pub dead_codes: Vec<String>,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            queues: Vec::new(),
            concurrency: 32,
            lease: Duration::from_secs(8),
            shutdown_timeout: Duration::from_secs(20),
            cancel_grace: Duration::from_secs(5),
            backoff_base: Duration::from_secs(1),
            backoff_max: Duration::from_mins(10),
            retry_codes: Vec::new(),
            dead_codes: Vec::new(),
        }
    }
}
