//! What the worker of a step replies.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a command came to. Workers that are no millgate programs need no more than `saga_id`, `step_name` and `success`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SagaEvent {
    /// This message's id.
    #[serde(default)]
    pub message_id: String,
    /// The saga's id, as its command has it.
    pub saga_id: String,
    /// The saga's name.
    #[serde(default)]
    pub saga_name: String,
    /// The step, as its command has it.
    pub step_name: String,
    /// The step's place in the saga.
    #[serde(default)]
    pub step_index: u32,
    /// Whether it is done. If not, nothing has changed.
    pub success: bool,
    /// Why not, in a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error_message: String,
    /// Why not, in a word.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error_code: String,
    /// What came of it.
    #[serde(default)]
    pub data: Value,
    /// When the worker began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<DateTime<Utc>>,
    /// How long it took, in nanoseconds.
    #[serde(default)]
    pub duration: u64,
    /// As the command has it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub idempotency_key: String,
    /// The command's `retry_count`: a failure of an earlier try says nothing about this one. Nothing: it is of the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_count: Option<u32>,
    /// Of a failure: whether another try can help. Nothing: as its `error_code` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retryable: Option<bool>,
}
