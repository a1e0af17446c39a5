//! What the tests work with: a Redis, a job or two, workers.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use millgate_derive::Job;
use millgate_jobs::{DeadJob, Job, JobOptions, NewJob, Queue, QueueStats, Queues};
use millgate_testkit::{RedisSpace, wait_until};
use millgate_workers::{Handlers, State, Worker, WorkerConfig};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// For everything that takes as long as the machine makes it.
pub(crate) const SOON: Duration = Duration::from_mins(2);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Job)]
#[job(queue = "main", timeout = "10s")]
pub(crate) struct Work {
    pub(crate) n: u32,
}

pub(crate) fn time() -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).unwrap()
}

pub(crate) fn new(job: &impl Job, options: JobOptions) -> NewJob {
    NewJob::new(job, options, time()).unwrap()
}

pub(crate) fn config() -> WorkerConfig {
    WorkerConfig {
        backoff_base: Duration::from_millis(20),
        backoff_max: Duration::from_millis(40),
        shutdown_timeout: SOON,
        ..WorkerConfig::default()
    }
}

pub(crate) struct Bench {
    pub(crate) space: RedisSpace,
    pub(crate) queues: Queues,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let space = RedisSpace::fresh("worker");
        Self { queues: space.queues(), space }
    }

    /// The queue of [`Work`].
    pub(crate) fn queue(&self) -> Queue {
        self.queues.queue(Work::QUEUE)
    }

    pub(crate) async fn enqueue(&self, jobs: &[NewJob]) {
        for job in jobs {
            self.queues.queue(&job.queue).enqueue(std::slice::from_ref(job)).await.unwrap();
        }
    }

    /// A worker in this runtime.
    pub(crate) fn start(&self, handlers: &Handlers, config: &WorkerConfig) -> Running {
        Running::start(&self.queues, handlers, config, State::new())
    }

    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(&QueueStats) -> bool) {
        let queue = self.queue();
        wait_until(what, SOON, async || wanted(&queue.stats().await.unwrap())).await;
    }

    pub(crate) async fn the_dead(&self) -> DeadJob {
        self.until("it is dead", |stats| stats.unburied == 1).await;
        self.queue().claim_dead(1, Duration::from_mins(1)).await.unwrap().remove(0)
    }

    /// The last step of every test: whatever happened, no job is missing and none is there twice.
    pub(crate) async fn check(&self) -> QueueStats {
        let stats = self.queue().stats().await.unwrap();
        assert!(stats.adds_up(), "{stats:?}");
        assert_eq!(self.queue().check().await.unwrap(), Vec::<String>::new());
        stats
    }
}

/// A worker that runs.
pub(crate) struct Running {
    stop: CancellationToken,
    ended: JoinHandle<()>,
}

impl Running {
    pub(crate) fn start(queues: &Queues, handlers: &Handlers, config: &WorkerConfig, state: State) -> Self {
        let worker = Worker::start(config, queues, Arc::new(handlers.clone()), state).unwrap();
        let stop = CancellationToken::new();
        Self { ended: tokio::spawn(worker.run(stop.clone())), stop }
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(SOON, self.ended).await.expect("the worker stops").unwrap();
    }
}
