//! A clock that tests can put forward.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::SeqCst},
    },
    time::Duration,
};

/// How far the queues' clock is ahead of that of Redis. Nothing, but in tests. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClockShift(Arc<AtomicI64>);

impl ClockShift {
    pub(crate) fn by(millis: i64) -> Self {
        Self(Arc::new(AtomicI64::new(millis)))
    }

    pub(crate) fn millis(&self) -> i64 {
        self.0.load(SeqCst)
    }

    pub(crate) fn forward(&self, time: Duration) {
        self.0.fetch_add(i64::try_from(time.as_millis()).unwrap_or(i64::MAX), SeqCst);
    }
}
