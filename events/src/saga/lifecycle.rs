//! What a saga tells of itself.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What a saga tells of itself: `saga.{name}.{this}.event`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lifecycle {
    /// It began.
    Started,
    /// All its steps are done.
    Completed,
    /// A step cannot be done, so what was done is taken back.
    Failed,
    /// Somebody wants it taken back.
    Canceled,
    /// What was done is taken back.
    Compensated,
    /// Money went back, as one part of that.
    Refunded,
}

impl Lifecycle {
    /// All there are.
    pub const ALL: [Self; 6] =
        [Self::Started, Self::Completed, Self::Failed, Self::Canceled, Self::Compensated, Self::Refunded];

    /// Its name in topics and types.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Compensated => "compensated",
            Self::Refunded => "refunded",
        }
    }

    /// The topic, and the type, of what sagas of a name tell.
    pub fn topic(self, saga: &str) -> String {
        format!("saga.{saga}.{self}.event")
    }

    /// The type on a topic that all sagas share: `saga.started`.
    pub fn shared_type(self) -> &'static str {
        match self {
            Self::Started => "saga.started",
            Self::Completed => "saga.completed",
            Self::Failed => "saga.failed",
            Self::Canceled => "saga.canceled",
            Self::Compensated => "saga.compensated",
            Self::Refunded => "saga.refunded",
        }
    }
}

impl fmt::Display for Lifecycle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// The payload of a lifecycle event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SagaLifecycle {
    /// What happened.
    pub event: Lifecycle,
    /// The saga.
    pub saga_id: String,
    /// Its name.
    pub saga_name: String,
    /// The version of its definition.
    pub saga_version: u32,
    /// What it is about: an order's id.
    pub key: String,
    /// The step that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_name: Option<String>,
    /// Why it was turned back, in a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// Why it was turned back, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// When the saga began.
    pub started_at: DateTime<Utc>,
    /// When this happened.
    pub at: DateTime<Utc>,
}
