//! What was made of records with changes.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts, which go on while a stream runs. A batch that comes again counts again.
#[derive(Debug, Default)]
pub struct ChangeStats {
    applied: AtomicU64,
    past: AtomicU64,
    tombstones: AtomicU64,
    messages: AtomicU64,
    put_aside: AtomicU64,
}

/// The counts of a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChangeCounts {
    /// Changes that were taken.
    pub applied: u64,
    /// Changes that were older than what was known, or known already.
    pub past: u64,
    /// Tombstones, which tell nothing.
    pub tombstones: u64,
    /// Messages in the source's log, which are no changes.
    pub messages: u64,
    /// Records that are no changes of this table: they are among the dead letters.
    pub put_aside: u64,
}

impl ChangeStats {
    /// As they are now.
    pub fn read(&self) -> ChangeCounts {
        ChangeCounts {
            applied: self.applied.load(Relaxed),
            past: self.past.load(Relaxed),
            tombstones: self.tombstones.load(Relaxed),
            messages: self.messages.load(Relaxed),
            put_aside: self.put_aside.load(Relaxed),
        }
    }

    pub(super) fn count(&self, batch: ChangeCounts) {
        self.applied.fetch_add(batch.applied, Relaxed);
        self.past.fetch_add(batch.past, Relaxed);
        self.tombstones.fetch_add(batch.tombstones, Relaxed);
        self.messages.fetch_add(batch.messages, Relaxed);
        self.put_aside.fetch_add(batch.put_aside, Relaxed);
    }
}
