//! What a worker sees of the jobs of one queue, for the history in Redis and for those who look at processes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use millgate_jobs::{Histogram, Seen};

/// How often it is looked for a moment at which nothing begins or ends.
const LOOKS: u32 = 100;

/// Counts of one queue in one worker. Cheap to clone; clones count together.
#[derive(Debug, Clone)]
pub struct Tally(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    epoch: Instant,
    waits: Histogram,
    started: AtomicU64,
    runs: Histogram,
    /// Runs that were cut off, or of jobs that are unknown here.
    back: AtomicU64,
    /// Microseconds from the epoch to the ends of runs, less those to their beginnings. It goes around below zero, and comes
    /// back when those that run are counted in.
    area: AtomicU64,
}

impl Default for Tally {
    fn default() -> Self {
        Self(Arc::new(Counts {
            epoch: Instant::now(),
            waits: Histogram::default(),
            started: AtomicU64::new(0),
            runs: Histogram::default(),
            back: AtomicU64::new(0),
            area: AtomicU64::new(0),
        }))
    }
}

impl Tally {
    /// A run begins now, of a job that has been due for so long, if that is known.
    pub(crate) fn begin(&self, now: Instant, waited: Option<Duration>) {
        let Counts { waits, started, area, .. } = &*self.0;
        if let Some(waited) = waited {
            waits.record(waited);
        }
        started.fetch_add(1, Relaxed);
        area.fetch_sub(self.offset(now), Relaxed);
    }

    /// A run has ended, after so long.
    pub(crate) fn end(&self, began: Instant, took: Duration, comes_again: bool) {
        let Counts { runs, back, area, .. } = &*self.0;
        if comes_again {
            back.fetch_add(1, Relaxed);
        } else {
            runs.record(took);
        }
        area.fetch_add(self.offset(began + took), Relaxed);
    }

    fn offset(&self, time: Instant) -> u64 {
        u64::try_from(time.saturating_duration_since(self.0.epoch).as_micros()).unwrap_or(u64::MAX)
    }

    /// What was seen so far.
    pub fn seen(&self) -> Seen {
        let Counts { waits, started, runs, .. } = &*self.0;
        Seen { runs: runs.read(), started: started.load(Relaxed), waits: waits.read(), ..Seen::default() }
    }

    /// Jobs that run now.
    pub fn running(&self) -> u64 {
        // In this order: what ends meanwhile still runs, and nothing runs less than not at all.
        let ended = self.0.runs.read().count() + self.0.back.load(Relaxed);
        self.0.started.load(Relaxed).saturating_sub(ended)
    }

    /// For how long jobs have run, all together and up to now: two that ran a second each make two seconds.
    pub fn busy(&self) -> Duration {
        let read = || (self.running(), self.0.area.load(Relaxed));
        // What begins or ends between the two readings would be off by all the time since the epoch.
        let (mut before, mut looks) = (read(), 0);
        let (running, area) = loop {
            let after = read();
            if after == before || looks == LOOKS {
                break after;
            }
            (before, looks) = (after, looks + 1);
        };
        let micros = area.wrapping_add(running.wrapping_mul(self.offset(Instant::now())));
        Duration::from_micros(u64::try_from(micros.cast_signed()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_runs_and_what_has_run_is_summed_up() {
        let tally = Tally::default();
        let began = Instant::now();
        tally.begin(began, Some(SECOND));
        tally.begin(began, None);
        assert_eq!((tally.running(), tally.seen().started), (2, 2));
        tally.end(began, 1_000 * SECOND, false);
        tally.end(began, SECOND, true);
        let seen = tally.seen();
        assert_eq!((tally.running(), seen.started, seen.runs.count(), seen.waits.count()), (0, 2, 1, 1));
        assert_eq!(tally.busy().as_secs(), 1_001);
    }

    #[test]
    fn a_run_that_is_not_over_counts_as_far_as_it_is() {
        let tally = Tally::default();
        let epoch = tally.0.epoch;
        tally.begin(epoch, None);
        let (before, busy) = (epoch.elapsed(), tally.busy());
        assert!(busy + Duration::from_millis(1) > before && busy <= epoch.elapsed(), "{busy:?}");
    }
}
