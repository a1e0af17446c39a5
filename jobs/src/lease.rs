//! The jobs that this worker holds leases on. Jobs of one claim share a lease; each is let go by itself.
//!
//! By run, not by job: a worker may get a job again while its earlier run of it has not noticed yet that its lease
//! was lost.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::JobId;

/// A place in a block of jobs.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) block: Arc<str>,
    pub(crate) number: usize,
}

/// One job under a lease. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Hold(Arc<Held>);

struct Held {
    token: Arc<str>,
    id: JobId,
    kind: Arc<str>,
    place: Option<Place>,
    lost: CancellationToken,
    stopped: AtomicBool,
    noted: AtomicBool,
}

impl Hold {
    pub(crate) fn new(token: Arc<str>, id: JobId, kind: Arc<str>, place: Option<Place>) -> Self {
        let (lost, stopped, noted) = (CancellationToken::new(), AtomicBool::new(false), AtomicBool::new(false));
        Self(Arc::new(Held { token, id, kind, place, lost, stopped, noted }))
    }

    pub(crate) fn token(&self) -> &str {
        &self.0.token
    }

    pub(crate) fn id(&self) -> JobId {
        self.0.id
    }

    pub(crate) fn kind(&self) -> &str {
        &self.0.kind
    }

    pub(crate) fn place(&self) -> Option<&Place> {
        self.0.place.as_ref()
    }

    pub(crate) fn lost(&self) -> &CancellationToken {
        &self.0.lost
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.0.stopped.load(Relaxed)
    }

    /// Something was written about it, which has to be removed with it.
    pub(crate) fn note(&self) {
        self.0.noted.store(true, Relaxed);
    }

    pub(crate) fn is_noted(&self) -> bool {
        self.0.noted.load(Relaxed)
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} under {}", self.0.id, self.0.token)
    }
}

/// One run of a job.
struct Run {
    hold: Hold,
    /// Its verdict is on the way to Redis.
    judged: bool,
}

/// Every run of one worker on one queue.
pub(crate) struct InHand {
    runs: Mutex<HashMap<u64, Run>>,
    last: AtomicU64,
    /// Whether a job was handed back since the fetcher last looked.
    pub(crate) handed_back: AtomicBool,
    /// When the fetcher last asked for jobs.
    pub(crate) asked: Mutex<Option<Instant>>,
    /// Whether it is to take no more jobs for now.
    pub(crate) quiet: watch::Sender<bool>,
    /// Freed when a job is settled, so that no more jobs are claimed than can be run.
    pub(crate) places: Arc<Semaphore>,
}

impl InHand {
    pub(crate) fn new(places: usize) -> Self {
        Self {
            runs: Mutex::default(),
            last: AtomicU64::new(0),
            handed_back: AtomicBool::new(false),
            asked: Mutex::default(),
            quiet: watch::Sender::new(false),
            places: Arc::new(Semaphore::new(places)),
        }
    }

    fn runs(&self) -> MutexGuard<'_, HashMap<u64, Run>> {
        // Every change is one insert or remove; none can leave the map torn.
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes jobs; gives the number of the first one's run, those of the others follow it.
    pub(crate) fn take<'a>(&self, holds: impl ExactSizeIterator<Item = &'a Hold>) -> u64 {
        let many = holds.len() as u64;
        let first = self.last.fetch_add(many, Relaxed) + 1;
        let mut runs = self.runs();
        for (number, hold) in (first..).zip(holds) {
            runs.insert(number, Run { hold: hold.clone(), judged: false });
        }
        first
    }

    /// A verdict is there: gives the run's job, for settling it.
    pub(crate) fn judge(&self, run: u64) -> Option<Hold> {
        let mut runs = self.runs();
        let run = runs.get_mut(&run)?;
        run.judged = true;
        Some(run.hold.clone())
    }

    /// Runs are over.
    pub(crate) fn release(&self, over: impl Iterator<Item = u64>) {
        let mut runs = self.runs();
        let freed = over.filter(|run| runs.remove(run).is_some()).count();
        drop(runs);
        self.places.add_permits(freed);
    }

    /// Runs without a verdict.
    pub(crate) fn open(&self) -> Vec<(u64, Hold)> {
        let runs = self.runs();
        let open = runs.iter().filter(|(_, run)| !run.judged);
        open.map(|(number, run)| (*number, run.hold.clone())).collect()
    }

    /// Tokens of all leases.
    pub(crate) fn tokens(&self) -> HashSet<Arc<str>> {
        self.runs().values().map(|run| run.hold.0.token.clone()).collect()
    }

    /// Tells those who run jobs that their leases are lost.
    pub(crate) fn lose(&self, tokens: &HashSet<&str>) {
        for run in self.runs().values().filter(|run| tokens.contains(run.hold.token())) {
            run.hold.lost().cancel();
        }
    }

    /// Tells those who run jobs that these are cancelled.
    pub(crate) fn stop(&self, ids: &[String]) {
        for run in self.runs().values().filter(|run| ids.iter().any(|id| id == run.hold.id().as_str())) {
            run.hold.0.stopped.store(true, Relaxed);
            run.hold.lost().cancel();
        }
    }
}
