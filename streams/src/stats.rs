//! What a stream has done since it began.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts, which go on while a stream runs.
#[derive(Debug, Default)]
pub struct StreamStats {
    taken: AtomicU64,
    skipped: AtomicU64,
    batches: AtomicU64,
    failures: AtomicU64,
}

/// The counts of a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamCounts {
    /// Records that are in the tables.
    pub taken: u64,
    /// Records that came again, and were in the tables already.
    pub skipped: u64,
    /// Transactions that did it.
    pub batches: u64,
    /// Batches that failed, and were tried again.
    pub failures: u64,
}

impl StreamStats {
    /// As they are now.
    pub fn read(&self) -> StreamCounts {
        StreamCounts {
            taken: self.taken.load(Relaxed),
            skipped: self.skipped.load(Relaxed),
            batches: self.batches.load(Relaxed),
            failures: self.failures.load(Relaxed),
        }
    }

    pub(crate) fn took(&self, taken: usize, skipped: usize) {
        self.taken.fetch_add(taken as u64, Relaxed);
        self.skipped.fetch_add(skipped as u64, Relaxed);
        self.batches.fetch_add(1, Relaxed);
    }

    pub(crate) fn failed(&self) {
        self.failures.fetch_add(1, Relaxed);
    }
}
