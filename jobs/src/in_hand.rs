//! The jobs that this worker holds a lease on.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use crate::Claimed;

/// One lease, and the place in the worker that it takes.
struct Lease {
    token: u64,
    lost: CancellationToken,
    /// Freed when the job is settled, so that no more jobs are claimed than can be run.
    _place: OwnedSemaphorePermit,
}

/// Every lease of one worker on one queue.
#[derive(Default)]
pub(crate) struct InHand(Mutex<HashMap<String, Lease>>);

impl InHand {
    fn leases(&self) -> MutexGuard<'_, HashMap<String, Lease>> {
        // Every change is one insert or remove; none can leave the map torn.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn take(&self, job: &Claimed, place: OwnedSemaphorePermit) {
        let lease = Lease { token: job.token, lost: job.lost.clone(), _place: place };
        self.leases().insert(job.id.clone(), lease);
    }

    /// The token of a lease, for settling it.
    pub(crate) fn token(&self, id: &str) -> Option<u64> {
        self.leases().get(id).map(|lease| lease.token)
    }

    /// A lease is over. Of a later one for the same job nothing is touched.
    pub(crate) fn release(&self, id: &str, token: u64) {
        let mut leases = self.leases();
        if leases.get(id).is_some_and(|lease| lease.token == token) {
            leases.remove(id);
        }
    }

    /// Ids and tokens of all leases.
    pub(crate) fn all(&self) -> Vec<(String, u64)> {
        self.leases().iter().map(|(id, lease)| (id.clone(), lease.token)).collect()
    }

    /// Tells the handlers of these jobs that their leases are lost.
    pub(crate) fn lose(&self, leases: &[(String, u64)]) {
        let held = self.leases();
        for (id, token) in leases {
            if let Some(lease) = held.get(id).filter(|lease| lease.token == *token) {
                lease.lost.cancel();
            }
        }
    }
}
