//! The jobs that this worker holds a lease on.
//!
//! By token, not by id: a worker may get a job again while its earlier run of it has not noticed yet that its lease
//! was lost.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use crate::Claimed;

/// One lease, and the place in the worker that it takes.
struct Lease {
    id: String,
    lost: CancellationToken,
    /// Its verdict is on the way to Redis.
    judged: bool,
    /// Freed when the job is settled, so that no more jobs are claimed than can be run.
    _place: OwnedSemaphorePermit,
}

/// Every lease of one worker on one queue.
#[derive(Default)]
pub(crate) struct InHand(Mutex<HashMap<u64, Lease>>);

impl InHand {
    fn leases(&self) -> MutexGuard<'_, HashMap<u64, Lease>> {
        // Every change is one insert or remove; none can leave the map torn.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn take(&self, job: &Claimed, place: OwnedSemaphorePermit) {
        let lease = Lease { id: job.id.clone(), lost: job.lost.clone(), judged: false, _place: place };
        self.leases().insert(job.token, lease);
    }

    /// A verdict is there: gives the job's id, for settling it.
    pub(crate) fn judge(&self, token: u64) -> Option<String> {
        let mut leases = self.leases();
        let lease = leases.get_mut(&token)?;
        lease.judged = true;
        Some(lease.id.clone())
    }

    /// A lease is over.
    pub(crate) fn release(&self, token: u64) {
        self.leases().remove(&token);
    }

    /// Ids and tokens of leases without a verdict.
    pub(crate) fn open(&self) -> Vec<(String, u64)> {
        let leases = self.leases();
        let open = leases.iter().filter(|(_, lease)| !lease.judged);
        open.map(|(token, lease)| (lease.id.clone(), *token)).collect()
    }

    /// Ids and tokens of all leases.
    pub(crate) fn all(&self) -> Vec<(String, u64)> {
        self.leases().iter().map(|(token, lease)| (lease.id.clone(), *token)).collect()
    }

    /// Tells those who run these jobs that their leases are lost.
    pub(crate) fn lose(&self, tokens: &[u64]) {
        let leases = self.leases();
        for lease in tokens.iter().filter_map(|token| leases.get(token)) {
            lease.lost.cancel();
        }
    }
}
