//! What a bridge did since it started.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use millgate_jobs::Enqueued;

/// Counters of one bridge, counted when Redis or Kafka has confirmed.
#[derive(Debug, Default)]
pub struct BridgeStats {
    handed_off: AtomicU64,
    tombstones: AtomicU64,
    dead: AtomicU64,
    jobs: AtomicU64,
    duplicates: AtomicU64,
    cancelled: AtomicU64,
    skipped: AtomicU64,
    rewinds: AtomicU64,
    halts: AtomicU64,
    missed: AtomicU64,
    /// By topic, without a prefix.
    topics: Mutex<BTreeMap<String, TopicCounts>>,
    /// Hand-offs that now wait for the dead letters to be writable.
    pub(crate) unwritable: AtomicU64,
    /// Hand-offs that now wait for people, as Redis is not where it should be.
    pub(crate) halted_now: AtomicU64,
    /// Hand-offs that now wait for Redis to take jobs.
    pub(crate) refused: AtomicU64,
}

/// What became of a topic's records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TopicCounts {
    /// Events whose jobs are all in their queues.
    pub handed_off: u64,
    /// Records that went to the dead letters.
    pub poison: u64,
}

/// A reading of [`BridgeStats`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct BridgeCounts {
    /// Events whose jobs are all in their queues; tombstones among them, which come to none.
    pub handed_off: u64,
    /// Tombstones.
    pub tombstones: u64,
    /// Records that went to the dead-letter topic.
    pub dead: u64,
    /// Jobs that are new in their queues, as far as Redis' answers arrived.
    pub jobs: u64,
    /// Jobs that were not taken in a second time, as their routes ask for (`once_per_event`).
    pub duplicates: u64,
    /// Waiting jobs that a cancel took away.
    pub cancelled: u64,
    /// Jobs of records that had been handed off before, and were read again.
    pub skipped: u64,
    /// Times that Redis had less than was handed off, and events were read again.
    pub rewinds: u64,
    /// Times that it was said that a partition waits for somebody to say how to go on.
    pub halts: u64,
    /// Offsets that Kafka had deleted before they were handed off.
    pub missed: u64,
    /// Partitions that wait now because a dead letter cannot be written.
    pub unwritable: u64,
    /// Partitions that wait now for somebody to say how to go on, as Redis is behind its watermark.
    pub waiting_for_people: u64,
    /// Queues that do not take now what a partition has for them.
    pub refused: u64,
}

impl BridgeStats {
    /// The counters now.
    pub fn read(&self) -> BridgeCounts {
        BridgeCounts {
            handed_off: self.handed_off.load(Relaxed),
            tombstones: self.tombstones.load(Relaxed),
            dead: self.dead.load(Relaxed),
            jobs: self.jobs.load(Relaxed),
            duplicates: self.duplicates.load(Relaxed),
            cancelled: self.cancelled.load(Relaxed),
            skipped: self.skipped.load(Relaxed),
            rewinds: self.rewinds.load(Relaxed),
            halts: self.halts.load(Relaxed),
            missed: self.missed.load(Relaxed),
            unwritable: self.unwritable.load(Relaxed),
            waiting_for_people: self.halted_now.load(Relaxed),
            refused: self.refused.load(Relaxed),
        }
    }

    /// The counters by topic, whose name is that without a prefix.
    pub fn topics(&self) -> BTreeMap<String, TopicCounts> {
        // Every change is complete before anything can panic.
        self.topics.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A batch of a topic, which is settled.
    pub(crate) fn batch(&self, topic: &str, handed_off: u64, tombstones: u64, dead: u64) {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if !topics.contains_key(topic) {
            topics.insert(topic.to_owned(), TopicCounts::default());
        }
        if let Some(counts) = topics.get_mut(topic) {
            counts.handed_off += handed_off;
            counts.poison += dead;
        }
        drop(topics);
        self.handed_off.fetch_add(handed_off, Relaxed);
        self.tombstones.fetch_add(tombstones, Relaxed);
        self.dead.fetch_add(dead, Relaxed);
    }

    pub(crate) fn enqueued(&self, results: &[Enqueued]) {
        let count = |wanted: fn(&Enqueued) -> bool| results.iter().filter(|result| wanted(result)).count() as u64;
        self.jobs.fetch_add(count(|result| matches!(result, Enqueued::New(_) | Enqueued::Cancelled)), Relaxed);
        self.duplicates.fetch_add(count(|result| matches!(result, Enqueued::Duplicate)), Relaxed);
    }

    pub(crate) fn skipped(&self, jobs: usize) {
        self.skipped.fetch_add(jobs as u64, Relaxed);
    }

    pub(crate) fn rewound(&self) {
        self.rewinds.fetch_add(1, Relaxed);
    }

    pub(crate) fn missed(&self, offsets: u64) {
        self.missed.fetch_add(offsets, Relaxed);
    }

    pub(crate) fn halted(&self) {
        self.halts.fetch_add(1, Relaxed);
    }

    pub(crate) fn cancelled(&self, jobs: usize) {
        self.cancelled.fetch_add(jobs as u64, Relaxed);
    }
}

/// Something that is so for a while, and counted as long as it is.
pub(crate) struct Standing<'a> {
    count: &'a AtomicU64,
    is: AtomicBool,
}

impl<'a> Standing<'a> {
    pub(crate) fn new(count: &'a AtomicU64) -> Self {
        Self { count, is: AtomicBool::new(false) }
    }

    pub(crate) fn set(&self, is: bool) {
        match (self.is.swap(is, Relaxed), is) {
            (false, true) => _ = self.count.fetch_add(1, Relaxed),
            (true, false) => _ = self.count.fetch_sub(1, Relaxed),
            _ => {}
        }
    }
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        self.set(false);
    }
}
