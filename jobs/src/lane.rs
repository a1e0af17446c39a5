//! Jobs of which only some may be under way.

use std::{fmt::Display, time::Duration};

/// A lane within a queue: what its jobs have to wait for beside a free worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    pub(crate) key: String,
    /// How many may be under way; `None`, where starts are only spaced: one waits for its turn at a time.
    pub(crate) most: Option<u32>,
    pub(crate) ordered: bool,
    pub(crate) interval: Option<Duration>,
}

impl Lane {
    /// One at a time, in the order they came. A job that failed is retried before the next one starts; a dead one
    /// lets the next go on. One whose turn it is and that is rescheduled is waited for.
    pub fn ordered(key: impl Display) -> Self {
        Self { key: name(key), most: Some(1), ordered: true, interval: None }
    }

    /// At most so many at a time. A job that waits for its retry does not count.
    pub fn limited(most: u32, key: impl Display) -> Self {
        Self { key: name(key), most: Some(most.max(1)), ordered: false, interval: None }
    }

    /// Each starts no sooner than `interval` after the one before.
    pub fn spaced(interval: Duration, key: impl Display) -> Self {
        Self { key: name(key), most: None, ordered: false, interval: Some(interval.max(Duration::from_millis(1))) }
    }

    /// The same, and each starts no sooner than `interval` after the one before.
    #[must_use]
    pub fn and_spaced(self, interval: Duration) -> Self {
        Self { interval: Some(interval.max(Duration::from_millis(1))), ..self }
    }

    /// What its jobs have in common.
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// In Redis a zero byte ends a lane's name.
fn name(key: impl Display) -> String {
    key.to_string().replace('\0', " ")
}
