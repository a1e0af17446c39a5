//! What is noted with an event beside what happened.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{EventMeta, TraceParent};

/// Why an event happened and through whom. Kept with it, and on Kafka in its headers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// Shared by everything that one request set off; the event's own id if nothing is given.
    #[serde(rename = "correlation", skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// The event, job or command that caused it.
    #[serde(rename = "causation", skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<String>,
    /// Who did it. On Kafka: `ce_userid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Its W3C `traceparent`.
    #[serde(rename = "traceparent", skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
    /// What names the append; it is not kept with its events.
    #[serde(skip)]
    pub(super) once: Option<String>,
    /// Whatever else is to be kept; not on Kafka.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub more: Map<String, Value>,
}

impl Metadata {
    /// Carries on the correlation and the trace of the event that this comes from.
    pub fn caused_by(cause: &EventMeta) -> Self {
        Self {
            correlation_id: Some(cause.correlation_id.clone()),
            causation_id: Some(cause.id.clone()),
            trace: cause.trace.map(|trace| trace.child().to_string()),
            ..Self::default()
        }
    }

    /// Done by that user.
    #[must_use]
    pub fn by(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// Part of a request with that id.
    #[must_use]
    pub fn of_request(mut self, correlation_id: impl Into<String>) -> Self {
        self.correlation_id = Some(correlation_id.into());
        self
    }

    /// Appended once to its stream, under that key, however often it is repeated: the request's id, or whatever else names it. A
    /// repetition appends nothing, whatever it expects of the stream, and gives the version that the first one came to.
    #[must_use]
    pub fn once(mut self, key: impl Into<String>) -> Self {
        self.once = Some(key.into());
        self
    }

    /// The trace that it belongs to.
    pub fn trace(&self) -> Option<TraceParent> {
        self.trace.as_deref().and_then(TraceParent::parse)
    }

    /// As it is kept with an event of these attributes.
    pub(super) fn of(&self, meta: &EventMeta) -> Self {
        Self {
            correlation_id: Some(meta.correlation_id.clone()),
            trace: meta.trace.map(|trace| trace.to_string()),
            ..self.clone()
        }
    }
}
