//! What happened to a saga.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A kind of thing that happens to a saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Happening {
    /// It began.
    Started,
    /// A command was sent.
    Sent,
    /// A step is done.
    Done,
    /// A step cannot be done.
    Failed,
    /// A step, or what takes it back, is to be tried again.
    Retry,
    /// A step took too long.
    TimedOut,
    /// A step was done after nobody waited for it any more.
    Late,
    /// A reply came before its command was known to be sent.
    Early,
    /// A reply says nothing new.
    Ignored,
    /// From here on what was done is taken back.
    TurnedBack,
    /// The command that takes a step back was sent.
    Undoing,
    /// A step is taken back.
    Undone,
    /// A step cannot be taken back.
    Stuck,
    /// Somebody took it back by hand.
    Resolved,
    /// Somebody wants it tried again.
    Retried,
    /// All is done.
    Completed,
    /// All is taken back.
    Compensated,
}

impl Happening {
    const ALL: [Self; 17] = [
        Self::Started,
        Self::Sent,
        Self::Done,
        Self::Failed,
        Self::Retry,
        Self::TimedOut,
        Self::Late,
        Self::Early,
        Self::Ignored,
        Self::TurnedBack,
        Self::Undoing,
        Self::Undone,
        Self::Stuck,
        Self::Resolved,
        Self::Retried,
        Self::Completed,
        Self::Compensated,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Sent => "sent",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Retry => "retry",
            Self::TimedOut => "timed-out",
            Self::Late => "late",
            Self::Early => "early",
            Self::Ignored => "ignored",
            Self::TurnedBack => "turned-back",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
            Self::Stuck => "stuck",
            Self::Resolved => "resolved",
            Self::Retried => "retried",
            Self::Completed => "completed",
            Self::Compensated => "compensated",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|what| what.as_str() == name)
    }
}

/// An entry of a saga's timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TimelineEntry {
    /// When.
    pub at: DateTime<Utc>,
    /// What happened.
    pub what: Happening,
    /// To which step, or its compensation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// In words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
}
