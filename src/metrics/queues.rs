//! What queues hold.

use std::{sync::atomic::AtomicU64, time::Duration};

use futures::future::join_all;
use millgate_jobs::{Queue, QueueStats};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};

use super::age;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByState {
    queue: String,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByQueue {
    queue: String,
}

/// The queues, and what was last found in them.
pub(super) struct Held {
    queues: Vec<Queue>,
    depth: Family<ByState, Gauge>,
    oldest: Family<ByQueue, Gauge<f64, AtomicU64>>,
    paused: Family<ByQueue, Gauge>,
}

impl Held {
    /// Names what is there to be read.
    pub(super) fn new(queues: Vec<Queue>, registry: &mut Registry) -> Self {
        let (depth, oldest, paused) = (Family::default(), Family::default(), Family::default());
        registry.register(
            "millgate_queue_depth",
            "Jobs in a queue by state, in the whole cluster: every process says the same",
            Family::clone(&depth),
        );
        registry.register(
            "millgate_queue_oldest_seconds",
            "For how long the job has waited that has waited longest for a worker, of those that may run",
            Family::clone(&oldest),
        );
        registry.register("millgate_queue_paused", "1 while workers take no jobs from a queue", Family::clone(&paused));
        Self { queues, depth, oldest, paused }
    }

    /// Asks Redis; a queue that has not answered within `patience` is left out.
    pub(super) async fn ask(&self, patience: Duration) {
        let asked = self.queues.iter().map(async |queue| {
            let stats = tokio::time::timeout(patience, queue.stats()).await;
            self.set(queue.name(), stats.ok().and_then(Result::ok));
        });
        join_all(asked).await;
    }

    /// What a queue holds. What is not known is left out: an old figure would look like a new one.
    fn set(&self, name: &str, stats: Option<QueueStats>) {
        let queue = || ByQueue { queue: name.to_owned() };
        let state = |state| ByState { queue: name.to_owned(), state };
        let Some(stats) = stats else {
            for name in ["waiting", "delayed", "active", "held", "dead"] {
                self.depth.remove(&state(name));
            }
            self.oldest.remove(&queue());
            self.paused.remove(&queue());
            return;
        };
        let QueueStats { waiting, delayed, active, held, unburied, oldest, paused, .. } = stats;
        let states =
            [("waiting", waiting), ("delayed", delayed), ("active", active), ("held", held), ("dead", unburied)];
        for (name, jobs) in states {
            self.depth.get_or_create(&state(name)).set(i64::try_from(jobs).unwrap_or(i64::MAX));
        }
        self.oldest.get_or_create(&queue()).set(oldest.map_or(0.0, age));
        self.paused.get_or_create(&queue()).set(i64::from(paused));
    }
}
