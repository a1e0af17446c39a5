//! The trail: what became of each event, noted by bridges and workers by the way, to be looked at.
//!
//! Nothing waits for it. Notes go into a buffer of bounded size and are written in batches; what does not fit is dropped and
//! counted, and the trail says so at that time. See `docs/decisions/015`.

mod buffer;
mod config;
mod error;
mod note;
mod store;
mod table;
mod writer;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
};

use sqlx::PgPool;
use tokio::{sync::Notify, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{metrics, producer::now};

pub use config::TrailConfig;
pub use error::TrailError;
pub use note::{Became, EventNote, JobNote, RunEnd, RunStart};
pub use store::{Gap, PastEvent, PastRun, Story, TrailStore, Wanted};

use buffer::Buffer;
use note::Begun;
use table::Table;

/// Notes in one statement.
const BATCH: usize = 1_000;

/// Takes notes. Cheap to clone; without [`start`](Self::start) it takes none.
#[derive(Clone, Default)]
pub struct Trail(Option<Arc<Inner>>);

struct Inner {
    buffer: Mutex<Buffer>,
    room: usize,
    sample: f64,
    more: Notify,
    closing: CancellationToken,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// A run that is noted when it ends, or when it takes long. Cheap to clone.
#[derive(Clone)]
pub struct Run {
    inner: Arc<Inner>,
    begun: Arc<Begun>,
}

impl Trail {
    /// Begins to write notes to the database that the pool leads to, in the name of `worker` (host/pid). Takes none if
    /// nothing is to be kept.
    pub fn start(database: &PgPool, config: &TrailConfig, worker: String) -> Self {
        if config.keep.is_zero() {
            return Self::default();
        }
        let inner = Arc::new(Inner {
            buffer: Mutex::default(),
            room: config.buffer,
            sample: config.sample,
            more: Notify::new(),
            closing: CancellationToken::new(),
            writer: Mutex::default(),
        });
        let writing = tokio::spawn(writer::run(inner.clone(), Table::new(database, worker), config.keep));
        *lock(&inner.writer) = Some(writing);
        Self(Some(inner))
    }

    /// Whether notes are taken.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Whether this story is among those that are noted.
    pub fn takes(&self, correlation: &str) -> bool {
        self.0.as_ref().is_some_and(|inner| inner.takes(correlation))
    }

    /// Notes events that are handed off now. Never waits.
    pub fn events(&self, mut events: Vec<EventNote>) {
        let Some(inner) = &self.0 else { return };
        if events.is_empty() {
            return;
        }
        let now = now();
        for event in &mut events {
            event.handed_off = now;
        }
        inner.add(|buffer, room| buffer.add_events(events, room, now));
    }

    /// Notes that a run begins. `None` if no notes are taken.
    pub fn begin(&self, start: impl FnOnce() -> RunStart) -> Option<Run> {
        let inner = self.0.as_ref()?;
        let start = start();
        let is_sampled = inner.takes(start.correlation_id.as_deref().unwrap_or(&start.job_id));
        let begun = Arc::new(Begun::new(start, now(), is_sampled));
        if is_sampled {
            lock(&inner.buffer).begin(Arc::downgrade(&begun), inner.room);
        }
        Some(Run { inner: inner.clone(), begun })
    }

    /// Writes what there is, for some seconds at most, and ends.
    pub async fn close(&self) {
        let Some(inner) = &self.0 else { return };
        inner.closing.cancel();
        let writer = lock(&inner.writer).take();
        if let Some(writer) = writer {
            // It has bounds of its own.
            let _ = writer.await;
        }
    }
}

impl fmt::Debug for Trail {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Trail").field("is_on", &self.is_on()).finish_non_exhaustive()
    }
}

impl Run {
    /// Adds a line to its log, of which the last twenty are kept.
    pub fn log(&self, line: &str) {
        self.begun.log(line, now());
    }

    /// Notes how it ended. Never waits.
    pub fn end(&self, end: RunEnd<'_>) {
        self.begun.is_over.store(true, Relaxed);
        if self.begun.is_sampled || end.is_failure {
            let note = self.begun.note(Some(end));
            self.inner.add(|buffer, room| buffer.add_run(note, room, now()));
        }
    }
}

impl Inner {
    fn takes(&self, correlation: &str) -> bool {
        self.sample >= 1.0 || place(correlation) < self.sample
    }

    /// Adds to the buffer, and counts what did not fit.
    fn add(&self, add: impl FnOnce(&mut Buffer, usize) -> usize) {
        let mut buffer = lock(&self.buffer);
        let lost = add(&mut buffer, self.room);
        let is_batch = buffer.len() >= BATCH;
        drop(buffer);
        metrics().trail_dropped(lost);
        if is_batch {
            self.more.notify_one();
        }
    }
}

/// Where a text lies between 0 and 1: the same in every process. FNV-1a, whose upper bits are mixed once more.
fn place(text: &str) -> f64 {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    f64::from(u32::try_from(mixed >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change is one step; none can leave it torn.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_stories_is_taken_and_the_same_ones_always() {
        let stories: Vec<String> = (0..10_000).map(|number| format!("order-{number}")).collect();
        let taken = |share: f64| stories.iter().filter(|story| place(story) < share).count();
        assert!((900..1_100).contains(&taken(0.1)), "{}", taken(0.1));
        assert_eq!((taken(0.0), taken(1.1)), (0, 10_000));
        assert!(stories.iter().filter(|story| place(story) < 0.1).all(|story| place(story) < 0.2));
    }

    #[test]
    fn without_a_start_nothing_is_taken() {
        let trail = Trail::default();
        assert!(!trail.is_on() && !trail.takes("c"));
        assert!(trail.begin(|| unreachable!("nobody asks")).is_none());
    }
}
