//! What a window says.

use chrono::{DateTime, Utc};
use serde::Serialize;

/// What the events of a key in a window come to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WindowResult<V> {
    /// The key.
    pub key: String,
    /// Where the window begins; a session's first event.
    pub start: DateTime<Utc>,
    /// Where it ends: this moment is no part of it. A session's last event and one gap.
    pub end: DateTime<Utc>,
    /// What its events come to.
    pub value: V,
    /// How many they are.
    pub events: i64,
    /// Nothing is added any more.
    #[serde(rename = "final")]
    pub is_final: bool,
}

/// A moment as PostgreSQL and people have it.
pub(super) fn moment(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).unwrap_or_default()
}
