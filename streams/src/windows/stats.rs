//! What is counted of windows.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
};

use millgate_events::Holding;

use super::fold::NEVER;

/// Counts of a stream's windows in this process.
#[derive(Debug)]
pub struct WindowStats {
    open: Mutex<HashMap<(String, i32), usize>>,
    late: AtomicU64,
    ahead: AtomicU64,
    finals: AtomicU64,
    watermark: AtomicI64,
}

/// The counts of a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowCounts {
    /// Slices and sessions in memory, of all keys.
    pub open: u64,
    /// Events that came too late.
    pub late: u64,
    /// Events that claim to be of the future.
    pub ahead: u64,
    /// Windows that were given their last result here.
    pub finals: u64,
    /// Before this no event is waited for, in any partition; milliseconds since 1970. `None`: not known yet.
    pub watermark: Option<i64>,
}

impl Default for WindowStats {
    fn default() -> Self {
        let (open, [late, ahead, finals]) = (Mutex::default(), [0; 3].map(AtomicU64::new));
        Self { open, late, ahead, finals, watermark: AtomicI64::new(NEVER) }
    }
}

impl WindowStats {
    /// As they are now.
    pub fn read(&self) -> WindowCounts {
        let open: usize = self.open.lock().unwrap_or_else(PoisonError::into_inner).values().sum();
        WindowCounts {
            open: open as u64,
            late: self.late.load(Relaxed),
            ahead: self.ahead.load(Relaxed),
            finals: self.finals.load(Relaxed),
            watermark: Some(self.watermark.load(Relaxed)).filter(|&watermark| watermark != NEVER),
        }
    }

    pub(super) fn took(&self, topic: &str, partition: i32, open: usize, late: u64, ahead: u64) {
        // Every change is one step.
        let mut held = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        held.insert((topic.to_owned(), partition), open);
        self.late.fetch_add(late, Relaxed);
        self.ahead.fetch_add(ahead, Relaxed);
    }

    /// Of partitions that are another's now nothing is open here.
    pub(super) fn turned(&self, watermark: i64, holdings: &[Holding]) {
        self.watermark.store(watermark, Relaxed);
        let is_ours = |(topic, partition): &(String, i32)| {
            holdings.iter().any(|own| **own.topic() == **topic && own.partition() == *partition)
        };
        self.open.lock().unwrap_or_else(PoisonError::into_inner).retain(|place, _| is_ours(place));
    }

    pub(super) fn closed(&self, finals: usize) {
        self.finals.fetch_add(finals as u64, Relaxed);
    }
}
