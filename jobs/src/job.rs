//! The trait every kind of job implements.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};

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
    const MAX_ATTEMPTS: u32 = 4;
    /// 0 runs first, 9 last.
    const PRIORITY: u8 = 5;
    /// How long one attempt may take.
    const TIMEOUT: Duration = Duration::from_secs(30);
}
