//! Where a history lies.

use super::Span;
use crate::Queue;

/// Its keys: a hash for each size of bucket, and one for what was seen last.
#[derive(Debug, Clone)]
pub(crate) struct HistoryKeys([String; 4]);

impl HistoryKeys {
    pub(super) fn under(base: &str) -> Self {
        Self(["minutes", "tens", "hours", "last"].map(|part| format!("{base}:{part}")))
    }

    pub(crate) fn of_queue(queue: &Queue) -> Self {
        Self::under(&queue.key("history"))
    }

    /// The one that has the points of a span.
    pub(super) fn of(&self, span: Span) -> &str {
        match span {
            Span::Hour => &self.0[0],
            Span::Day => &self.0[1],
            Span::Week => &self.0[2],
        }
    }

    pub(crate) fn all(&self) -> &[String] {
        &self.0
    }
}
