//! A job about to be enqueued, and its options.

use std::{fmt::Display, time::Duration};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{Job, Origin, QueueError};

/// What may be said of one job beyond its kind's defaults. Built by [`delay`], [`priority`] and [`unique`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobOptions {
    /// Not before this long after the event (or after now, without an event).
    pub delay: Option<Duration>,
    /// 0 runs first, 9 last.
    pub priority: Option<u8>,
    /// At most one job of this kind and key waits or runs at a time; also the handle for cancelling it.
    pub unique: Option<String>,
    /// How often it may run before it is dead.
    pub max_attempts: Option<u32>,
}

/// Runs no sooner than `time` after its event.
pub fn delay(time: Duration) -> JobOptions {
    JobOptions::default().delay(time)
}

/// Runs before jobs of a higher number: 0 is first, 9 last.
pub fn priority(priority: u8) -> JobOptions {
    JobOptions::default().priority(priority)
}

/// At most one of this kind and key waits or runs at a time; another is not taken in.
pub fn unique(key: impl Display) -> JobOptions {
    JobOptions::default().unique(key)
}

impl JobOptions {
    /// Runs no sooner than `time` after its event.
    #[must_use]
    pub fn delay(self, time: Duration) -> Self {
        Self { delay: Some(time), ..self }
    }

    /// Runs before jobs of a higher number; above 9 counts as 9.
    #[must_use]
    pub fn priority(self, priority: u8) -> Self {
        Self { priority: Some(priority.min(9)), ..self }
    }

    /// At most one of this kind and key waits or runs at a time; another is not taken in.
    #[must_use]
    pub fn unique(self, key: impl Display) -> Self {
        Self { unique: Some(key.to_string()), ..self }
    }

    /// Runs at most this often before it is dead.
    #[must_use]
    pub fn max_attempts(self, attempts: u32) -> Self {
        Self { max_attempts: Some(attempts.max(1)), ..self }
    }
}

/// A job with everything that the queue needs to know of it.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Its id. The same id again, within the dedupe window, is the same job.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// Its queue.
    pub queue: String,
    /// 0 to 9.
    pub priority: u8,
    /// Runs before it is dead.
    pub max_attempts: u32,
    /// When it may run; `None` is at once.
    pub run_at: Option<DateTime<Utc>>,
    /// Its unique key within its kind.
    pub unique: Option<String>,
    /// When what it is about happened. A cancel of its unique key reaches it if it happened no earlier.
    pub time: DateTime<Utc>,
    pub(crate) body: Body,
}

/// What is stored of a job and never changes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Body {
    pub(crate) kind: String,
    pub(crate) version: u32,
    pub(crate) timeout_ms: u64,
    /// Milliseconds since 1970.
    pub(crate) time: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<Origin>,
    pub(crate) payload: Box<RawValue>,
}

impl NewJob {
    /// A job of kind `J` about something that happened at `time`, with a random id.
    pub fn new<J: Job>(job: &J, options: JobOptions, time: DateTime<Utc>) -> Result<Self, QueueError> {
        let payload =
            serde_json::value::to_raw_value(job).map_err(|source| QueueError::Encode { kind: J::KIND, source })?;
        let run_at = options.delay.map(|delay| {
            let delay = chrono::Duration::from_std(delay).unwrap_or(chrono::Duration::MAX);
            time.checked_add_signed(delay).unwrap_or(DateTime::<Utc>::MAX_UTC)
        });
        Ok(Self {
            id: Uuid::now_v7().to_string(),
            kind: J::KIND.to_owned(),
            queue: J::QUEUE.to_owned(),
            priority: options.priority.unwrap_or(J::PRIORITY).min(9),
            max_attempts: options.max_attempts.unwrap_or(J::MAX_ATTEMPTS).max(1),
            run_at,
            unique: options.unique,
            time,
            body: Body {
                kind: J::KIND.to_owned(),
                version: J::VERSION,
                timeout_ms: u64::try_from(J::TIMEOUT.as_millis()).unwrap_or(u64::MAX),
                time: time.timestamp_millis(),
                origin: None,
                payload,
            },
        })
    }

    /// The same with an id that follows from its event, so that the event again gives the same job again.
    #[must_use]
    pub fn caused_by(mut self, id: String, origin: Origin) -> Self {
        self.id = id;
        self.body.origin = Some(origin);
        self
    }

    /// Its arguments as JSON.
    pub fn payload(&self) -> &str {
        self.body.payload.get()
    }
}

/// A time as scripts and bodies have it; what cannot be one is the epoch.
pub(crate) fn from_millis(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap_or(DateTime::UNIX_EPOCH)
}
