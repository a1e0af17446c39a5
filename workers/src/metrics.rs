//! What became of the jobs that this process ran, for whoever exports it.

use std::{
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use millgate_events::Run;
use millgate_jobs::{Judgement, Verdict};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

use crate::{Tally, noting};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByKind {
    queue: String,
    kind: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByQueue {
    queue: String,
}

/// Counts of this process.
#[derive(Debug)]
pub struct JobMetrics {
    done: Family<ByKind, Counter>,
    retried: Family<ByKind, Counter>,
    dead: Family<ByKind, Counter>,
    cancelled: Family<ByKind, Counter>,
    snoozed: Family<ByKind, Counter>,
    handed_back: Family<ByKind, Counter>,
    duration: Family<ByKind, Histogram>,
    in_hand: Family<ByKind, Gauge>,
    unwritable: Family<ByQueue, Counter>,
}

/// The counts of this process.
pub fn metrics() -> &'static JobMetrics {
    static METRICS: LazyLock<JobMetrics> = LazyLock::new(|| JobMetrics {
        done: Family::default(),
        retried: Family::default(),
        dead: Family::default(),
        cancelled: Family::default(),
        snoozed: Family::default(),
        handed_back: Family::default(),
        // A tenth of a millisecond to ten minutes.
        duration: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.000_1, 3.0, 15))),
        in_hand: Family::default(),
        unwritable: Family::default(),
    });
    &METRICS
}

impl JobMetrics {
    /// Names them, so that they can be read. Names are never changed: dashboards and alerts hang on them.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("millgate_jobs_done", "Runs that ended well", self.done.clone());
        registry.register("millgate_jobs_retried", "Runs that failed and will be tried again", self.retried.clone());
        registry.register("millgate_jobs_dead", "Runs after which the job was dead", self.dead.clone());
        registry.register("millgate_jobs_cancelled", "Runs that were called off", self.cancelled.clone());
        registry.register("millgate_jobs_snoozed", "Runs that put their job off", self.snoozed.clone());
        registry.register(
            "millgate_jobs_handed_back",
            "Runs that were cut off, or of a kind that is unknown here; another worker has the job",
            self.handed_back.clone(),
        );
        registry.register("millgate_jobs_duration_seconds", "How long runs took", self.duration.clone());
        registry.register("millgate_jobs_in_hand", "Jobs that run now", self.in_hand.clone());
        registry.register(
            "millgate_jobs_dead_letters_failed",
            "Times that a dead job could not be written to the dead letters; it stays in Redis, and is tried again",
            self.unwritable.clone(),
        );
    }

    /// The counters of a kind in a queue, and of the worker that has it. Looked up once, so that counting costs no look-up.
    pub(crate) fn of(&self, queue: &str, kind: &str, tally: &Tally) -> Arc<Meter> {
        let labels = ByKind { queue: queue.to_owned(), kind: kind.to_owned() };
        Arc::new(Meter {
            done: self.done.get_or_create_owned(&labels),
            retried: self.retried.get_or_create_owned(&labels),
            dead: self.dead.get_or_create_owned(&labels),
            cancelled: self.cancelled.get_or_create_owned(&labels),
            snoozed: self.snoozed.get_or_create_owned(&labels),
            handed_back: self.handed_back.get_or_create_owned(&labels),
            duration: self.duration.get_or_create_owned(&labels),
            in_hand: self.in_hand.get_or_create_owned(&labels),
            tally: tally.clone(),
        })
    }

    pub(crate) fn unwritable(&self, queue: &str, jobs: usize) {
        self.unwritable.get_or_create(&ByQueue { queue: queue.to_owned() }).inc_by(jobs as u64);
    }
}

/// The counters of one kind.
#[derive(Debug)]
pub(crate) struct Meter {
    done: Counter,
    retried: Counter,
    dead: Counter,
    cancelled: Counter,
    snoozed: Counter,
    handed_back: Counter,
    duration: Histogram,
    in_hand: Gauge,
    tally: Tally,
}

/// A job's judgement that is counted, and noted, when it is given. Dropped, it hands the job back, and counts that.
pub(crate) struct Counted {
    judgement: Option<Judgement>,
    run: Option<(Arc<Meter>, Instant)>,
    noted: Option<Run>,
}

impl Counted {
    pub(crate) fn new(judgement: Judgement) -> Self {
        Self { judgement: Some(judgement), run: None, noted: None }
    }

    /// The run begins, of a job that has been due for so long, if that is known; and is noted where runs are.
    pub(crate) fn begin(&mut self, meter: &Arc<Meter>, waited: Option<Duration>, noted: Option<Run>) {
        self.noted = noted;
        let now = Instant::now();
        meter.in_hand.inc();
        meter.tally.begin(now, waited);
        self.run = Some((meter.clone(), now));
    }

    /// Says what became of the job.
    pub(crate) fn give(mut self, verdict: Verdict) {
        self.count(&verdict);
        if let Some(judgement) = self.judgement.take() {
            judgement.give(verdict);
        }
    }

    fn count(&mut self, verdict: &Verdict) {
        if let Some(run) = self.noted.take() {
            run.end(noting::end(verdict));
        }
        let Some((meter, began)) = self.run.take() else { return };
        meter.in_hand.dec();
        let took = began.elapsed();
        meter.tally.end(began, took, matches!(verdict, Verdict::HandBack { .. }));
        let counter = match verdict {
            Verdict::Done => &meter.done,
            Verdict::Retry { .. } => &meter.retried,
            Verdict::Dead { .. } => &meter.dead,
            Verdict::Cancel { .. } => &meter.cancelled,
            Verdict::Snooze { .. } => &meter.snoozed,
            // It has not come to an end, and says nothing about how long that takes.
            Verdict::HandBack { .. } => {
                meter.handed_back.inc();
                return;
            }
        };
        counter.inc();
        meter.duration.observe(took.as_secs_f64());
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.count(&Verdict::HandBack { after: Duration::ZERO });
    }
}
