//! One saga under way: what is known of it.

use std::fmt;

use chrono::{DateTime, Utc};
use millgate_events::SagaEvent;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// How a saga is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SagaStatus {
    /// Its steps are being done.
    Running,
    /// What was done is being taken back.
    Compensating,
    /// Something cannot be taken back, and waits for people.
    Stuck,
    /// All is done.
    Completed,
    /// All that was done is taken back.
    Compensated,
}

impl SagaStatus {
    /// All there are.
    pub const ALL: [Self; 5] = [Self::Running, Self::Compensating, Self::Stuck, Self::Completed, Self::Compensated];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Compensating => "compensating",
            Self::Stuck => "stuck",
            Self::Completed => "completed",
            Self::Compensated => "compensated",
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }

    /// Whether nothing more is to be done.
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Compensated)
    }
}

impl fmt::Display for SagaStatus {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// How a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepStatus {
    /// Not begun.
    Waiting,
    /// Its command is on its way, or with its worker.
    Sent,
    /// It failed or took too long, and is tried again in a while.
    Retrying,
    /// It is done.
    Done,
    /// It cannot be done, and has changed nothing.
    Failed,
    /// Nobody waits for its reply any more. It may yet be done; then it is taken back.
    GivenUp,
    /// The command that takes it back is on its way.
    Undoing,
    /// To take it back failed, and is tried again in a while.
    UndoRetrying,
    /// It is taken back.
    Undone,
    /// It cannot be taken back, and waits for people.
    Stuck,
}

impl StepStatus {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Retrying => "retrying",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::GivenUp => "given-up",
            Self::Undoing => "undoing",
            Self::UndoRetrying => "undo-retrying",
            Self::Undone => "undone",
            Self::Stuck => "stuck",
        }
    }
}

/// Why something did not go well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The step, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// In a word.
    pub code: String,
    /// In a sentence.
    pub message: String,
}

/// How far a step is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepProgress {
    /// The step's name.
    pub name: String,
    /// How it is.
    pub status: StepStatus,
    /// Commands that were sent, of those that do it or of those that take it back.
    pub tries: u32,
    /// How many of them were sent before somebody had it tried anew: they do not count any more.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub forgiven: u32,
    /// When its timer fires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<DateTime<Utc>>,
    /// What went wrong last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Cause>,
    /// When it was first begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_at: Option<DateTime<Utc>>,
    /// When it was done, given up or taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime<Utc>>,
    /// A reply that came before the command was known to be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early: Option<SagaEvent>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl StepProgress {
    /// Commands that were sent since somebody had it tried anew.
    pub(super) fn counted(&self) -> u32 {
        self.tries.saturating_sub(self.forgiven)
    }
}

impl Default for StepProgress {
    fn default() -> Self {
        Self {
            name: String::new(),
            status: StepStatus::Waiting,
            tries: 0,
            forgiven: 0,
            due: None,
            failure: None,
            began_at: None,
            ended_at: None,
            early: None,
        }
    }
}

/// How far a saga is, and why it turned back if it did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    pub(super) steps: Vec<StepProgress>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) turned: Option<Cause>,
    /// That it is compensated was told: what comes late does not make it told again.
    #[serde(default)]
    pub(super) told: bool,
}

/// A saga under way, or ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// Its id, which follows from its name and key.
    pub id: Uuid,
    /// Its name.
    pub saga: String,
    /// The version of the definition that it began with.
    pub version: u32,
    /// What it is about: an order's id.
    pub key: String,
    /// How it is.
    pub status: SagaStatus,
    /// What the application keeps.
    pub state: Value,
    pub(super) progress: Progress,
    /// Counts its changes.
    pub revision: i64,
    /// Shared by all events that go back to the one that it began with.
    pub correlation_id: String,
    /// The event that it began with.
    pub causation_id: Option<String>,
    /// The trace that it belongs to.
    pub traceparent: Option<String>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
}

impl Instance {
    /// Its steps, in order.
    pub fn steps(&self) -> &[StepProgress] {
        &self.progress.steps
    }

    /// Why it turned back.
    pub fn turned(&self) -> Option<&Cause> {
        self.progress.turned.as_ref()
    }

    /// When the first of its timers fires.
    pub fn due(&self) -> Option<DateTime<Utc>> {
        if self.status.has_ended() {
            return None;
        }
        self.progress.steps.iter().filter_map(|step| step.due).min()
    }
}
