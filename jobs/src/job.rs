//! The trait every kind of job implements.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};

use crate::{Backoff, Lane};

/// Once, and three retries.
pub(crate) const DEFAULT_ATTEMPTS: u32 = 4;
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// A kind of work, with its arguments. Usually derived:
/// `#[derive(Job)] #[job(queue = "email", max_attempts = 8, timeout = "30s")]`.
pub trait Job: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Its name in Redis: `send-confirmation-email`.
    const KIND: &'static str;
    /// The queue it waits in.
    const QUEUE: &'static str;
    /// Version of the arguments' shape, counted from 1.
    const VERSION: u32 = 1;
    /// How often it may run before it is dead: once, and three retries.
    const MAX_ATTEMPTS: u32 = DEFAULT_ATTEMPTS;
    /// 0 runs first, 9 last.
    const PRIORITY: u8 = 5;
    /// How long one attempt may take.
    const TIMEOUT: Duration = DEFAULT_TIMEOUT;
    /// Whether jobs of this kind can be found by it without looking through a whole queue: `kind=…` in the index.
    const INDEX_KIND: bool = false;
    /// Fields that nobody is shown, by name or path.
    const SENSITIVE: &'static [&'static str] = &[];

    /// Fields that a job can be found by, with this job's values. Each costs Redis about a hundred bytes a job.
    fn index(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// What this job has to wait for beside a free worker, unless its options name a lane; `None`: nothing.
    fn lane(&self) -> Option<Lane> {
        None
    }

    /// How long to wait before a job of this kind runs again that failed; `None`: as the worker is set up.
    fn backoff() -> Option<Backoff> {
        None
    }
}
