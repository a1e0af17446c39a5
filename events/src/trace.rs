//! W3C trace context, version 00: <https://www.w3.org/TR/trace-context/#traceparent-header>.

use std::{fmt, ops::Range};

use uuid::Uuid;

use crate::spans_are_on;

/// A `traceparent`: the trace an event belongs to, and the step of it that made the event.
///
/// Kept as its text, `00-<trace>-<span>-<flags>`: that is how it comes and how it goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceParent([u8; LENGTH]);

const LENGTH: usize = 55;
const TRACE: Range<usize> = 3..35;
const SPAN: Range<usize> = 36..52;
const FLAGS: Range<usize> = 53..55;
const EMPTY: &[u8; LENGTH] = b"00-00000000000000000000000000000000-0000000000000000-00";

impl TraceParent {
    /// The first step of a new trace for an event that nothing led to; `None` where spans are exported, since there the
    /// trace begins with the span that sends it.
    pub fn fresh() -> Option<Self> {
        (!spans_are_on()).then(Self::root)
    }

    /// The first step of a new, sampled trace.
    pub fn root() -> Self {
        Self::at(Uuid::new_v4().as_u128(), new_span(), 1)
    }

    /// A further step of the same trace. Where spans are exported it is the step itself: one that was made up here would be
    /// nobody's parent.
    #[must_use]
    pub fn child(mut self) -> Self {
        if !spans_are_on() {
            write_hex(&mut self.0[SPAN], &new_span().to_be_bytes());
        }
        self
    }

    /// Reads a header; `None` if it does not follow the standard.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        let (known, more) = text.split_at_checked(LENGTH)?;
        let mut known: [u8; LENGTH] = known.try_into().ok()?;
        let version = &known[..2];
        // Later versions may add fields; version 00 has none, and ff is forbidden.
        let ends = more.is_empty() || (version != b"00" && more[0] == b'-');
        let shape = known.iter().enumerate().all(|(at, byte)| match at {
            2 | 35 | 52 => *byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        });
        let is_zero = |part: Range<usize>| known[part].iter().all(|byte| *byte == b'0');
        if !ends || !shape || version == b"ff" || is_zero(TRACE) || is_zero(SPAN) {
            return None;
        }
        known[..2].copy_from_slice(b"00");
        Some(Self(known))
    }

    /// Whether somebody wants its spans.
    pub fn is_sampled(self) -> bool {
        self.flags() & 1 == 1
    }

    pub(crate) fn at(trace: u128, span: u64, flags: u8) -> Self {
        let mut text = *EMPTY;
        write_hex(&mut text[TRACE], &trace.to_be_bytes());
        write_hex(&mut text[SPAN], &span.to_be_bytes());
        write_hex(&mut text[FLAGS], &[flags]);
        Self(text)
    }

    pub(crate) fn trace(self) -> u128 {
        u128::from_str_radix(&self.text()[TRACE], 16).unwrap_or_default()
    }

    pub(crate) fn span(self) -> u64 {
        u64::from_str_radix(&self.text()[SPAN], 16).unwrap_or_default()
    }

    pub(crate) fn flags(self) -> u8 {
        u8::from_str_radix(&self.text()[FLAGS], 16).unwrap_or_default()
    }

    /// The trace's id, 32 hexadecimal digits.
    pub fn trace_id(&self) -> String {
        self.text()[TRACE].to_owned()
    }

    fn text(&self) -> &str {
        // It is all ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Two lower-case digits a byte.
fn write_hex(digits: &mut [u8], bytes: &[u8]) {
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
        pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
    }
}

/// Half of a random UUID; never 0, because a version 4 UUID has fixed bits in both halves.
fn new_span() -> u64 {
    Uuid::new_v4().as_u64_pair().1
}

impl fmt::Display for TraceParent {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.text())
    }
}

impl fmt::Debug for TraceParent {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.text())
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
    fn a_later_version_may_say_more() {
        let text = "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(TraceParent::parse(&format!("{text}-more")), TraceParent::parse(text));
        assert!(TraceParent::parse(text).unwrap().to_string().starts_with("00-4bf92f"));
    }

    #[test]
    fn new_ones_follow_the_standard() {
        let root = TraceParent::root();
        assert_eq!(TraceParent::parse(&root.to_string()), Some(root));
        assert_eq!(TraceParent::parse(&root.child().to_string()).unwrap().trace_id(), root.trace_id());
    }

    #[test]
    fn what_breaks_the_standard_is_no_trace() {
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more",
            "00-00000000000000000000000000000001-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-é",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceParent::parse(bad), None, "{bad}");
        }
    }
}
