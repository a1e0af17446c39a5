//! The spans that a run is in.

use millgate_events::{SPANS, TraceParent, spans_are_on};
use millgate_jobs::Claimed;
use tracing::{Instrument, Span, field::Empty, info_span, instrument::Instrumented};

/// The one that is exported, and the one of log lines. Where nobody wants either they cost nothing. Both have to be entered:
/// what looks for one does not see through the other.
#[derive(Clone)]
pub(crate) struct RunSpans {
    exported: Span,
    logged: Span,
}

impl RunSpans {
    pub(crate) fn of(job: &mut Claimed) -> Self {
        let exported = exported_span(job);
        let logged = exported.in_scope(|| log_span(job));
        Self { exported, logged }
    }

    /// Does something within the run.
    pub(crate) fn in_scope<T>(&self, action: impl FnOnce() -> T) -> T {
        self.exported.in_scope(|| self.logged.in_scope(action))
    }

    /// What goes on is part of the run.
    pub(crate) fn around<F: Future>(self, future: F) -> Instrumented<Instrumented<F>> {
        future.instrument(self.logged).instrument(self.exported)
    }
}

/// A step of the event's trace. What the run publishes goes on from it.
fn exported_span(job: &mut Claimed) -> Span {
    if !spans_are_on() {
        return Span::none();
    }
    // Of a trace that is not sampled, too: what happens within the run has to know that.
    let parent = job.origin.as_ref().and_then(|origin| TraceParent::parse(origin.traceparent.as_deref()?));
    let span = info_span!(
        target: SPANS,
        parent: None,
        "process",
        otel.name = format!("process {}", job.kind),
        otel.kind = "consumer",
        messaging.system = "redis",
        messaging.operation.name = "process",
        messaging.operation.r#type = "process",
        messaging.destination.name = &*job.queue,
        messaging.message.id = job.id,
        millgate.job.key = %job.key(),
        millgate.job.kind = &*job.kind,
        millgate.job.attempt = job.attempt,
        millgate.event.id = job.origin.as_ref().map(|origin| origin.event_id.as_str()),
    );
    if let Some(parent) = parent {
        parent.adopt(&span);
    }
    if let (Some(origin), Some(trace)) = (&mut job.origin, TraceParent::of(&span)) {
        origin.traceparent = Some(trace.to_string());
    }
    span
}

/// What log lines of a job say of it.
fn log_span(job: &Claimed) -> Span {
    let span = info_span!(
        "job",
        id = job.id,
        key = %job.key(),
        kind = &*job.kind,
        attempt = job.attempt,
        event = job.origin.as_ref().map(|origin| origin.event_id.as_str()),
        trace = Empty,
    );
    if !span.is_disabled()
        && let Some(origin) = &job.origin
        && let Some(trace) = origin.traceparent.as_deref().and_then(TraceParent::parse)
    {
        span.record("trace", trace.trace_id());
    }
    span
}
