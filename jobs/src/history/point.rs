//! What happened within a bucket of time.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::Distribution;

/// What happened within a minute, ten, or an hour; of a queue, or of a topic in a bridge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Point {
    /// When it began.
    pub at: DateTime<Utc>,
    /// Jobs that entered the queue.
    pub enqueued: u64,
    /// Runs that workers began.
    pub started: u64,
    /// Jobs that ran to the end.
    pub done: u64,
    /// Failed runs that another one follows.
    pub retried: u64,
    /// Jobs that died.
    pub dead: u64,
    /// Jobs that were cancelled.
    pub cancelled: u64,
    /// Events whose jobs are all in their queues.
    pub handed_off: u64,
    /// Records that came to no job, and went to the dead letters.
    pub poison: u64,
    /// The most jobs that waited for a worker, of those times at which was looked.
    pub waiting: u64,
    /// The most that were delayed.
    pub delayed: u64,
    /// The most that were in the hands of workers.
    pub active: u64,
    /// The most that waited for others of their lane.
    pub held: u64,
    /// The most that were dead and not with the dead letters yet.
    pub unburied: u64,
    /// The longest that the oldest waiting job had waited, in ms.
    pub oldest_ms: u64,
    /// How long jobs waited for their first run from when they were due.
    pub waits: Distribution,
    /// How long runs took.
    pub runs: Distribution,
}

impl Point {
    /// Runs that failed.
    pub fn failed(&self) -> u64 {
        self.retried + self.dead
    }

    /// Reads a bucket. What another version wrote, and this one does not know, is left out.
    pub(super) fn read(at: DateTime<Utc>, text: &str) -> Self {
        let mut point = Self { at, ..Self::default() };
        for word in text.split_ascii_whitespace() {
            let Some((field, value)) = word.split_once('=') else { continue };
            let Ok(value) = value.parse() else { continue };
            if let Some(place) = point.field(field) {
                *place = value;
            } else if let Some(bucket) = field.strip_prefix("wait").and_then(|bucket| bucket.parse().ok()) {
                point.waits.set(bucket, value);
            } else if let Some(bucket) = field.strip_prefix("run").and_then(|bucket| bucket.parse().ok()) {
                point.runs.set(bucket, value);
            }
        }
        point
    }

    fn field(&mut self, name: &str) -> Option<&mut u64> {
        Some(match name {
            "enqueued" => &mut self.enqueued,
            "started" => &mut self.started,
            "done" => &mut self.done,
            "retried" => &mut self.retried,
            "dead" => &mut self.dead,
            "cancelled" => &mut self.cancelled,
            "handed_off" => &mut self.handed_off,
            "poison" => &mut self.poison,
            "waiting" => &mut self.waiting,
            "delayed" => &mut self.delayed,
            "active" => &mut self.active,
            "held" => &mut self.held,
            "unburied" => &mut self.unburied,
            "oldest" => &mut self.oldest_ms,
            _ => return None,
        })
    }

    /// Adds what happened in another queue within the same time.
    pub(super) fn add(&mut self, other: &Self) {
        self.grow(other);
        // Not at the same moment, perhaps; it is no more than that.
        self.waiting += other.waiting;
        self.delayed += other.delayed;
        self.active += other.active;
        self.held += other.held;
        self.unburied += other.unburied;
        self.oldest_ms = self.oldest_ms.max(other.oldest_ms);
    }

    /// Adds what happened later.
    pub(super) fn follow(&mut self, later: &Self) {
        self.grow(later);
        self.waiting = self.waiting.max(later.waiting);
        self.delayed = self.delayed.max(later.delayed);
        self.active = self.active.max(later.active);
        self.held = self.held.max(later.held);
        self.unburied = self.unburied.max(later.unburied);
        self.oldest_ms = self.oldest_ms.max(later.oldest_ms);
    }

    fn grow(&mut self, by: &Self) {
        self.enqueued += by.enqueued;
        self.started += by.started;
        self.done += by.done;
        self.retried += by.retried;
        self.dead += by.dead;
        self.cancelled += by.cancelled;
        self.handed_off += by.handed_off;
        self.poison += by.poison;
        self.waits.merge(&by.waits);
        self.runs.merge(&by.runs);
    }
}
