//! Spans that OpenTelemetry exports, where somebody has switched that on. Where nobody has, none is made, and asking whether
//! one is to be made costs a look at a constant.
//!
//! Names and attributes: <https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/>.

use opentelemetry::{
    Context,
    trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState},
};
use tracing::{Span, field::Empty, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::{Headers, Record, TraceParent};

/// The target of all of them, and of nothing else.
pub const SPANS: &str = "millgate_spans";

/// Whether spans are exported.
pub fn spans_are_on() -> bool {
    tracing::span_enabled!(target: SPANS, tracing::Level::INFO)
}

impl TraceParent {
    /// The place of a span in its trace; `None` if it is not exported.
    pub fn of(span: &Span) -> Option<Self> {
        if span.is_disabled() {
            return None;
        }
        let context = span.context();
        let place = context.span().span_context().clone();
        let (trace, own) =
            (u128::from_be_bytes(place.trace_id().to_bytes()), u64::from_be_bytes(place.span_id().to_bytes()));
        place.is_valid().then(|| Self::at(trace, own, place.trace_flags().to_u8()))
    }

    /// Makes it the parent of a span that has just been made.
    pub fn adopt(self, span: &Span) {
        if span.is_disabled() {
            return;
        }
        let (trace, parent) = (TraceId::from(self.trace()), SpanId::from(self.span()));
        let place = SpanContext::new(trace, parent, TraceFlags::new(self.flags()), true, TraceState::default());
        // Refused only for a span that has begun, which this one has not.
        let _ = span.set_parent(Context::new().with_remote_span_context(place));
    }
}

/// A record is sent: the span of that, which goes with the record.
pub(crate) fn sending(topic: &str, headers: &mut Headers) -> Span {
    if !spans_are_on() {
        return Span::none();
    }
    let span = info_span!(
        target: SPANS,
        "send",
        otel.name = format!("send {topic}"),
        otel.kind = "producer",
        messaging.system = "kafka",
        messaging.operation.name = "send",
        messaging.operation.r#type = "send",
        messaging.destination.name = topic,
        messaging.message.id = headers.text("ce_id"),
    );
    // What happens within a run belongs to it; else to what the record says, as one does that waited in a table.
    if Span::current().is_none()
        && let Some(parent) = headers.text("traceparent").and_then(TraceParent::parse)
    {
        parent.adopt(&span);
    }
    if let Some(trace) = TraceParent::of(&span) {
        headers.set("traceparent", trace.to_string());
    }
    span
}

/// A record is handed off: the span of that, which goes on with its jobs. One whose trace is not sampled has none.
pub fn processing(record: &Record, group: &str) -> Span {
    let parent = record.headers.text("traceparent").and_then(TraceParent::parse);
    if !spans_are_on() || parent.is_some_and(|parent| !parent.is_sampled()) {
        return Span::none();
    }
    let span = info_span!(
        target: SPANS,
        "process",
        otel.name = format!("process {}", record.topic),
        otel.kind = "consumer",
        messaging.system = "kafka",
        messaging.operation.name = "process",
        messaging.operation.r#type = "process",
        messaging.destination.name = &*record.topic,
        messaging.destination.partition.id = record.partition.to_string(),
        messaging.consumer.group.name = group,
        messaging.kafka.offset = record.offset,
        messaging.message.id = record.headers.text("ce_id"),
    );
    if let Some(parent) = parent {
        parent.adopt(&span);
    }
    span
}

/// A call to a server, as part of what happens now: `client_span("smtp", "send")`.
pub fn client_span(system: &'static str, what: &'static str) -> Span {
    info_span!(
        target: SPANS,
        "call",
        otel.name = format!("{system} {what}"),
        otel.kind = "client",
        otel.status_code = Empty,
        rpc.system = system,
    )
}
