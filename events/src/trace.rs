//! W3C trace context, version 00: <https://www.w3.org/TR/trace-context/#traceparent-header>.

use std::fmt;

use uuid::Uuid;

use crate::spans_are_on;

/// A `traceparent`: the trace an event belongs to, and the step of it that made the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    trace: u128,
    span: u64,
    flags: u8,
}

impl TraceParent {
    /// The first step of a new trace for an event that nothing led to; `None` where spans are exported, since there the
    /// trace begins with the span that sends it.
    pub fn fresh() -> Option<Self> {
        (!spans_are_on()).then(Self::root)
    }

    /// The first step of a new, sampled trace.
    pub fn root() -> Self {
        Self { trace: Uuid::new_v4().as_u128(), span: new_span(), flags: 1 }
    }

    /// A further step of the same trace. Where spans are exported it is the step itself: one that was made up here would be
    /// nobody's parent.
    #[must_use]
    pub fn child(self) -> Self {
        if spans_are_on() {
            return self;
        }
        Self { span: new_span(), ..self }
    }

    /// Reads a header; `None` if it does not follow the standard.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let lower =
            |part: &str, length| part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        // Later versions may add fields; version 00 has none, and ff is forbidden.
        let shape = lower(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
        if !(shape && lower(trace, 32) && lower(span, 16) && lower(flags, 2)) {
            return None;
        }
        let trace = u128::from_str_radix(trace, 16).ok().filter(|&id| id != 0)?;
        let span = u64::from_str_radix(span, 16).ok().filter(|&id| id != 0)?;
        Some(Self { trace, span, flags: u8::from_str_radix(flags, 16).ok()? })
    }

    /// Whether somebody wants its spans.
    pub fn is_sampled(self) -> bool {
        self.flags & 1 == 1
    }

    pub(crate) fn at(trace: u128, span: u64, flags: u8) -> Self {
        Self { trace, span, flags }
    }

    pub(crate) fn trace(self) -> u128 {
        self.trace
    }

    pub(crate) fn span(self) -> u64 {
        self.span
    }

    pub(crate) fn flags(self) -> u8 {
        self.flags
    }

    /// The trace's id, 32 hexadecimal digits.
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace)
    }
}

/// Half of a random UUID; never 0, because a version 4 UUID has fixed bits in both halves.
fn new_span() -> u64 {
    Uuid::new_v4().as_u64_pair().1
}

impl fmt::Display for TraceParent {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standards_example_is_read_and_written() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let parent = TraceParent::parse(text).unwrap();
        assert_eq!(parent.to_string(), text);
        assert_eq!(parent.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        let child = parent.child();
        assert_eq!(child.trace_id(), parent.trace_id());
        assert_ne!(child, parent);
    }

    #[test]
    fn what_breaks_the_standard_is_no_trace() {
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceParent::parse(bad), None, "{bad}");
        }
    }
}
