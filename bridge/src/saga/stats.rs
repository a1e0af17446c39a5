//! What the sagas of a process came to.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use millgate_events::Lifecycle;

use super::Transition;

/// Counts since the process began, of what it wrote down itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SagaCounts {
    /// Sagas that began.
    pub started: u64,
    /// Those whose steps are all done.
    pub completed: u64,
    /// Those of which a step could not be done.
    pub failed: u64,
    /// Those that somebody wanted taken back.
    pub canceled: u64,
    /// Those that are taken back.
    pub compensated: u64,
    /// Times that a saga came to wait for people.
    pub stuck: u64,
    /// Commands that were sent.
    pub commands: u64,
    /// Replies that said nothing new, or came when nobody waited for them any more.
    pub ignored: u64,
}

/// Counts by the names of sagas.
#[derive(Debug, Default)]
pub struct SagaStats(Mutex<BTreeMap<String, SagaCounts>>);

impl SagaStats {
    /// The counts as they are now.
    pub fn read(&self) -> BTreeMap<String, SagaCounts> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, SagaCounts>> {
        // Additions are all that happens under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn count(&self, saga: &str, done: &Transition) {
        let mut counts = self.lock();
        let counts = counts.entry(saga.to_owned()).or_default();
        for (told, _) in &done.told {
            match told {
                Lifecycle::Started => counts.started += 1,
                Lifecycle::Completed => counts.completed += 1,
                Lifecycle::Failed => counts.failed += 1,
                Lifecycle::Canceled => counts.canceled += 1,
                Lifecycle::Compensated => counts.compensated += 1,
                Lifecycle::Refunded => {}
            }
        }
        counts.stuck += u64::from(done.stuck);
        counts.ignored += u64::from(done.ignored);
        counts.commands += done.commands.len() as u64;
    }
}
