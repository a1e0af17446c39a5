//! The jobs of a bench: one that does nothing, and one that never ends.

use std::time::Duration;

use chrono::DateTime;
use millgate_jobs::{JobOptions, NewJob, QueueError};
use serde::{Deserialize, Serialize};

use super::clock::{Micros, micros};
use crate::Job;

/// A job of a chosen size that does nothing.
#[derive(Debug, Clone, Serialize, Deserialize, Job)]
#[job(queue = "bench")]
pub(super) struct Load {
    /// When it is to start: when it is enqueued, plus its delay.
    pub(super) due_us: Micros,
    padding: String,
}

/// A job that never ends at its first attempt, and at once at any other.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Job)]
#[job(queue = "bench", timeout = "1h")]
pub(super) struct Hang {}

/// Bytes of a [`Load`] without padding, as long as a moment has 16 digits: from 2001 to 2286.
pub(super) const LEAST: u32 = 40;

impl Load {
    /// One whose JSON is that many bytes long.
    pub(super) fn new(due_us: Micros, bytes: u32) -> Self {
        let padding = bytes.saturating_sub(LEAST) as usize;
        Self { due_us, padding: "x".repeat(padding) }
    }

    /// The same as a job that is enqueued at that moment, with this as its delay.
    pub(super) fn enqueued(at: Micros, delay: Duration, bytes: u32) -> Result<NewJob, QueueError> {
        // When a job is due the queue knows in milliseconds; what it cannot know must not be held against it.
        let at = if delay.is_zero() { at } else { at / 1000 * 1000 };
        let options = JobOptions { delay: (!delay.is_zero()).then_some(delay), ..JobOptions::default() };
        let time = DateTime::from_timestamp_micros(at).unwrap_or_default();
        NewJob::new(&Self::new(at + micros(delay), bytes), options, time)
    }

    /// One that brings a worker under way, and is not measured.
    pub(super) fn first() -> Result<NewJob, QueueError> {
        NewJob::new(&Self::new(0, LEAST), JobOptions::default(), DateTime::UNIX_EPOCH)
    }

    /// Whether its start is measured.
    pub(super) fn counts(&self) -> bool {
        self.due_us != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_exactly_as_long_as_wanted() {
        for bytes in [LEAST, 200, 5000] {
            let job = Load::enqueued(1_700_000_000_123_456, Duration::ZERO, bytes).unwrap();
            assert_eq!(job.payload().len(), bytes as usize, "{}", job.payload());
        }
    }
}
