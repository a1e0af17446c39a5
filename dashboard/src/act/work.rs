//! Work that takes long: how far it is, and how it is told to stop.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use tokio_util::sync::CancellationToken;

/// How far something is. Cheap to clone; all clones are about the same work.
#[derive(Debug, Clone, Default)]
pub struct Work(Arc<State>);

#[derive(Debug, Default)]
struct State {
    total: AtomicU64,
    done: AtomicU64,
    stop: CancellationToken,
}

impl Work {
    /// Work that nobody has begun.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says how much there is to do.
    pub fn of(&self, total: u64) {
        self.0.total.store(total, Relaxed);
    }

    /// Says that so much more is done.
    pub fn add(&self, done: u64) {
        self.0.done.fetch_add(done, Relaxed);
    }

    /// Says how much is done, of how much.
    pub fn at(&self, done: u64, total: u64) {
        self.0.done.store(done, Relaxed);
        self.0.total.store(total, Relaxed);
    }

    /// Fires when it is told to stop.
    pub fn stopping(&self) -> CancellationToken {
        self.0.stop.clone()
    }

    /// How much is done, and how much there is; 0 of 0 while that is not known.
    pub fn progress(&self) -> (u64, u64) {
        (self.0.done.load(Relaxed), self.0.total.load(Relaxed))
    }

    /// Tells it to stop, after the step that it is at.
    pub fn stop(&self) {
        self.0.stop.cancel();
    }

    /// Whether it is told to stop: looked at between steps.
    pub fn is_stopped(&self) -> bool {
        self.0.stop.is_cancelled()
    }

    /// Waits until it is told to stop: beside a pause between steps.
    pub async fn stopped(&self) {
        self.0.stop.cancelled().await;
    }
}
