//! Records that are out, and who answers for them.

use std::sync::Arc;

use super::holding::{Holding, Order};
use crate::Record;

/// Records of one partition, in order.
#[derive(Debug)]
pub struct Batch {
    /// The records; never empty.
    pub records: Vec<Record>,
    /// To be settled when every record is safely handed off.
    pub token: BatchToken,
}

/// The right, and the duty, to settle a batch.
///
/// Dropped unsettled (a task that panicked, say), the batch is given out again.
#[derive(Debug)]
pub struct BatchToken {
    pub(super) holding: Holding,
    pub(super) first: i64,
    pub(super) next: i64,
    pub(super) settled: bool,
}

impl BatchToken {
    /// Every record of the batch is safe elsewhere: its offsets may be committed, with the note that is there.
    pub fn settle(self) {
        let note = self.holding.note.clone();
        self.end(note);
    }

    /// The same with another note: at most 4,000 bytes, which Kafka keeps beside the offset.
    pub fn settle_with(self, note: &str) {
        self.end(note.into());
    }

    fn end(mut self, note: Arc<str>) {
        self.settled = true;
        self.holding.tell(Order::Settled(self.holding.place.clone(), self.next, note));
    }

    /// Has the partition read again from an earlier offset, this batch included if that lies within it.
    pub fn rewind(mut self, offset: i64) {
        self.first = self.first.min(offset);
    }

    /// The partition is no longer ours; whatever is not done is another's to do.
    pub fn is_revoked(&self) -> bool {
        self.holding.is_revoked()
    }

    /// The partition that it is of.
    pub fn holding(&self) -> &Holding {
        &self.holding
    }
}

impl Drop for BatchToken {
    fn drop(&mut self) {
        if !self.settled {
            self.holding.tell(Order::Abandoned(self.holding.place.clone(), self.first));
        }
    }
}
