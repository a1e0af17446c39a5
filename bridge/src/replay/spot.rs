//! How far a replay is in a partition, as it is noted beside its progress.

use std::collections::BTreeMap;

use millgate_events::{ReplayError, Span};
use serde::{Deserialize, Serialize};

/// The note of a partition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Spot {
    /// From here on it is the live bridge's to hand off, as of when the replay was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) live: Option<i64>,
    /// By queue the last record that was handed off.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) marks: BTreeMap<String, i64>,
}

impl Spot {
    pub(super) fn read(span: &Span) -> Result<Self, ReplayError> {
        if span.note.is_empty() {
            return Ok(Self::default());
        }
        let garbled = |error| ReplayError::Refused(format!("the note of {} cannot be read: {error}", span.name()));
        serde_json::from_str(&span.note).map_err(garbled)
    }

    pub(super) fn write(&self, span: &mut Span) {
        // Numbers and names are always JSON.
        span.note = serde_json::to_string(self).unwrap_or_default();
    }
}
