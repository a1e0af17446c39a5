//! A schedule as it is stored.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::CatchUp;

/// What a schedule consists of, as JSON in Redis has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Definition {
    pub(crate) name: String,
    pub(crate) cron: String,
    pub(crate) zone: String,
    pub(crate) kind: String,
    pub(crate) version: u32,
    pub(crate) queue: String,
    pub(crate) priority: u8,
    /// If its kind has another number than most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_attempts: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) payload: Box<RawValue>,
    pub(crate) catch_up: CatchUp,
    #[serde(with = "humantime_serde")]
    pub(crate) jitter: Duration,
}
