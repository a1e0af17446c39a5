//! Which jobs there may be only one of.

use std::{fmt::Display, time::Duration};

/// A key that at most one job of a kind holds at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unique {
    /// The key, within the kind.
    pub key: String,
    /// For how long it is held.
    pub hold: Hold,
    /// What happens to another job with the key.
    pub conflict: Conflict,
}

/// For how long a key is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hold {
    /// Until the job is done, cancelled or dead.
    #[default]
    UntilDone,
    /// Until it starts: another may be enqueued while it runs.
    UntilStarted,
    /// For so long from when it was enqueued, whatever becomes of it.
    For(Duration),
}

/// What happens to another job with a key that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Conflict {
    /// The first stays, the other is not taken in.
    #[default]
    KeepFirst,
    /// The other takes its place, with its own time to run: with a delay, that is debouncing. A job that runs already
    /// has read its arguments; then the other waits until that one is done, cancelled or dead. (If it has a
    /// [lane](crate::JobOptions::lane), that alone says what it waits for; under a key that is held
    /// [until it starts](Hold::UntilStarted), it does not wait.)
    Replace,
}

impl Unique {
    /// Held until the job is done; the first stays.
    pub fn key(key: impl Display) -> Self {
        Self { key: key.to_string(), hold: Hold::default(), conflict: Conflict::default() }
    }

    /// Held until the job starts.
    #[must_use]
    pub fn until_started(self) -> Self {
        Self { hold: Hold::UntilStarted, ..self }
    }

    /// Held for so long from when the job was enqueued.
    #[must_use]
    pub fn for_window(self, window: Duration) -> Self {
        Self { hold: Hold::For(window), ..self }
    }

    /// The newest job takes the place of the one before it.
    #[must_use]
    pub fn replacing(self) -> Self {
        Self { conflict: Conflict::Replace, ..self }
    }

    /// Whether a job waits for one with its key that runs, and so cannot be replaced any more.
    pub(crate) fn keeps_order(&self) -> bool {
        self.conflict == Conflict::Replace && self.hold != Hold::UntilStarted
    }
}
