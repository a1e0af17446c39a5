//! An event's attributes, as CloudEvents 1.0 names them, and their place in Kafka's headers.
//!
//! Binary mode of the Kafka protocol binding:
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md>.

use chrono::{DateTime, SecondsFormat, Utc};
use uuid::Uuid;

use crate::{Event, Headers, TraceParent};

/// Who, what, when: everything about an event but its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventMeta {
    /// Unique within `source`.
    pub id: String,
    /// The service it happened in.
    pub source: String,
    /// Its type: `order.created`.
    pub event_type: String,
    /// Version of the payload's shape.
    pub version: u32,
    /// When it happened.
    pub time: DateTime<Utc>,
    /// The entity it is about; the key, unless said otherwise.
    pub subject: Option<String>,
    /// Shared by everything that one request set off. The event's own id if nothing else is given.
    pub correlation_id: String,
    /// The event or job that caused this one.
    pub causation_id: Option<String>,
    /// The trace this event belongs to.
    pub trace: Option<TraceParent>,
    /// W3C `tracestate`, passed on as it came.
    pub trace_state: Option<String>,
    /// W3C `baggage`, passed on as it came.
    pub baggage: Option<String>,
}

impl EventMeta {
    /// A new event of type `E`, that happened in `source` at `time`.
    pub fn new<E: Event>(source: &str, time: DateTime<Utc>) -> Self {
        // Version 7 ids sort by time, which keeps indexes on them compact.
        let id = Uuid::now_v7().to_string();
        Self {
            correlation_id: id.clone(),
            id,
            source: source.to_owned(),
            event_type: E::TYPE.to_owned(),
            version: E::VERSION,
            time,
            subject: None,
            causation_id: None,
            trace: TraceParent::fresh(),
            trace_state: None,
            baggage: None,
        }
    }

    /// The same id again, so that a second copy of the event is known for what it is.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self.correlation_id.clone_from(&self.id);
        self
    }

    /// Carries on the correlation and the trace of the event that caused this one.
    #[must_use]
    pub fn caused_by(mut self, cause: &EventMeta) -> Self {
        self.correlation_id.clone_from(&cause.correlation_id);
        self.causation_id = Some(cause.id.clone());
        self.trace = cause.trace.map(TraceParent::child).or(self.trace);
        self.trace_state.clone_from(&cause.trace_state);
        self.baggage.clone_from(&cause.baggage);
        self
    }

    /// The headers of CloudEvents' binary mode, and plain W3C trace headers.
    pub fn to_headers(&self, content_type: &str) -> Headers {
        let mut headers = Headers::new();
        headers.push("ce_specversion", "1.0");
        headers.push("ce_id", self.id.clone());
        headers.push("ce_source", self.source.clone());
        headers.push("ce_type", self.event_type.clone());
        headers.push("ce_time", self.time.to_rfc3339_opts(SecondsFormat::Millis, true));
        headers.push("ce_dataversion", self.version.to_string());
        headers.push_some("ce_subject", self.subject.as_deref());
        headers.push("ce_correlationid", self.correlation_id.clone());
        headers.push_some("ce_causationid", self.causation_id.as_deref());
        headers.push("content-type", content_type.to_owned());
        headers.push_some("traceparent", self.trace.map(|trace| trace.to_string()).as_deref());
        headers.push_some("tracestate", self.trace_state.as_deref());
        headers.push_some("baggage", self.baggage.as_deref());
        headers
    }
}
