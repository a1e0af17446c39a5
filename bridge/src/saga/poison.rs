//! Why a record is of no use to an orchestrator.

use millgate_events::{BadValue, DecodeError};

/// Why a record is of no use, now or later.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Value(#[from] BadValue),
    #[error("no saga can begin with it: {0}")]
    Start(String),
    #[error("it is no reply to a saga's command: {0}")]
    Reply(String),
}

impl Unusable {
    /// A word for dashboards and headers.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Decode(error) => error.code(),
            Self::Value(bad) => bad.code(),
            Self::Start(_) => "saga_cannot_start",
            Self::Reply(_) => "no_saga_reply",
        }
    }

    /// Why, in at most 1,000 characters.
    pub(super) fn message(&self) -> String {
        self.to_string().chars().take(1_000).collect()
    }
}
