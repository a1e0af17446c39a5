//! What measurements work with: a queue of their own, its server, and worker processes.

use std::{
    fmt,
    time::{Duration, Instant},
};

use anyhow::Context;
use millgate_jobs::{
    Job, Queue, QueueError, QueueStats, Queues, RedisConfig, RedisInfo,
    raw::{RawQueue, Server},
};
use millgate_workers::WorkerConfig;
use serde::Serialize;
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

use super::{
    clock::{self, Micros},
    load::Load,
    order::Order,
    process::Process,
    trail::BenchTrail,
};

/// Jobs that a worker process may have in hand. They do nothing, so this is how far it fetches ahead.
pub(super) const CONCURRENCY: usize = 1000;
/// Between two looks at a queue: short beside what is measured, and a load that Redis does not feel.
const LOOK: Duration = Duration::from_millis(5);
/// Ample for a million jobs.
const FREED: Duration = Duration::from_secs(5);
/// A queue that stands still for this long will not move again.
const STANDSTILL: Duration = Duration::from_mins(1);
/// Jobs handed to the queue in one call, which splits them as it likes. More would only take memory here.
const SLICE: u32 = 10_000;
/// From so many jobs on measurements take their full time, and below it less in proportion.
const FULL: u32 = 20_000;
/// Up to so many jobs a measurement is quick enough to be repeated.
const QUICK: u32 = 100_000;

/// A queue under a name of its own, and what is needed around it.
pub(super) struct Rig {
    pub(super) queue: Queue,
    pub(super) raw: RawQueue,
    pub(super) server: Server,
    pub(super) info: RedisInfo,
    /// Jobs in one measurement.
    pub(super) jobs: u32,
    /// Length of a job's payload.
    pub(super) payload_bytes: u32,
    pub(super) worker: WorkerConfig,
    pub(super) redis: RedisConfig,
    /// Where its processes take notes, if they do.
    pub(super) trail: Option<BenchTrail>,
    log: String,
    processes: TaskTracker,
}

impl Rig {
    /// Connects. `log` is what worker processes log.
    pub(super) async fn open(
        redis: &RedisConfig,
        worker: &WorkerConfig,
        log: &str,
        (jobs, payload_bytes): (u32, u32),
    ) -> Result<Self, QueueError> {
        let prefix = format!("{}:bench-{}", redis.prefix, uuid::Uuid::new_v4().simple());
        let redis = RedisConfig { prefix, ..redis.clone() };
        let queues = Queues::new(&redis)?;
        Ok(Self {
            info: queues.info().await?,
            queue: queues.queue(Load::QUEUE),
            raw: RawQueue::open(&redis).await?,
            server: Server::open(&redis).await?,
            jobs,
            payload_bytes,
            worker: WorkerConfig { queues: vec![Load::QUEUE.to_owned()], ..worker.clone() },
            redis,
            trail: None,
            // Production's level, as spans have their price; without the lines that each process begins with.
            log: format!("{log},millgate_workers::worker=warn,apalis_core=warn"),
            processes: TaskTracker::new(),
        })
    }

    /// Removes everything, once no worker process can write any more.
    pub(super) async fn close(self) -> Result<(), QueueError> {
        self.processes.close();
        self.processes.wait().await;
        self.raw.remove().await?;
        self.queue.obliterate().await
    }

    /// Measures three times, or once if that takes long, and tells each result.
    pub(super) async fn repeat<T: fmt::Display>(
        &self,
        what: &str,
        run: impl AsyncFn() -> anyhow::Result<T>,
    ) -> anyhow::Result<Vec<T>> {
        let times = if self.jobs > QUICK { 1 } else { 3 };
        eprintln!("{what} …");
        let mut results = Vec::new();
        for time in 1..=times {
            let result = run().await?;
            eprintln!("  run {time} of {times}: {result:.0}");
            results.push(result);
        }
        Ok(results)
    }

    /// Less than this time if there are few jobs.
    pub(super) fn scaled(&self, full: Duration) -> Duration {
        full * self.jobs.min(FULL) / FULL
    }

    /// Empties the queue. Returns when Redis has freed what was in it, which it does on the side.
    pub(super) async fn clear(&self) -> Result<(), QueueError> {
        self.queue.obliterate().await?;
        self.raw.remove().await?;
        let started = Instant::now();
        // Others may be freeing something all the time.
        while self.server.spent().await?.unfreed > 0 && started.elapsed() < FREED {
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// Enqueues jobs that are due at once. Gives the time that took, without that for making them.
    pub(super) async fn fill(&self, count: u32) -> Result<Duration, QueueError> {
        self.fill_delayed(count, clock::now(), Duration::ZERO).await
    }

    /// Enqueues jobs that are all due at the same moment: `delay` after `at`.
    pub(super) async fn fill_delayed(&self, count: u32, at: Micros, delay: Duration) -> Result<Duration, QueueError> {
        let (mut left, mut time) = (count, Duration::ZERO);
        while left > 0 {
            let slice = left.min(SLICE);
            let jobs: Result<Vec<_>, _> = (0..slice).map(|_| Load::enqueued(at, delay, self.payload_bytes)).collect();
            let jobs = jobs?;
            let started = Instant::now();
            self.queue.enqueue(&jobs).await?;
            time += started.elapsed();
            left -= slice;
        }
        Ok(time)
    }

    /// Looks at the queue until it is as wanted.
    pub(super) async fn until(&self, wanted: impl Fn(&QueueStats) -> bool) -> anyhow::Result<QueueStats> {
        let (mut last, mut moved) = (QueueStats::default(), Instant::now());
        loop {
            let stats = self.queue.stats().await?;
            if wanted(&stats) {
                return Ok(stats);
            }
            if stats != last {
                (last, moved) = (stats, Instant::now());
            }
            anyhow::ensure!(moved.elapsed() < STANDSTILL, "nothing has moved for {STANDSTILL:?}: {last:?}");
            sleep(LOOK).await;
        }
    }

    /// Waits until every job is settled, which all have to be as done. Gives the moment.
    pub(super) async fn until_settled(&self) -> anyhow::Result<Micros> {
        let stats = self.until(|stats| stats.waiting + stats.delayed + stats.active == 0).await?;
        let now = clock::now();
        anyhow::ensure!(stats.done() == stats.enqueued(), "jobs that do nothing have failed: {stats:?}");
        Ok(now)
    }

    /// A worker process that has still to begin.
    pub(super) async fn worker_process(&self, worker: WorkerConfig) -> anyhow::Result<Process> {
        self.process("queue-worker", &self.order(worker, false)).await
    }

    /// A worker process at full speed: with a span for each job and with layers around its handlers, or with neither.
    pub(super) async fn layered_process(&self, layered: bool) -> anyhow::Result<Process> {
        let worker = WorkerConfig { concurrency: CONCURRENCY, ..self.worker.clone() };
        let log = if layered { &self.log } else { "off" };
        let order = self.order(worker, layered);
        Process::start("queue-worker", &order, log, &self.processes).await
    }

    fn order(&self, worker: WorkerConfig, layered: bool) -> Order {
        Order { redis: self.redis.clone(), worker, layered, trail: self.trail.clone() }
    }

    /// A process in another role.
    pub(super) async fn process(&self, role: &str, order: &impl Serialize) -> anyhow::Result<Process> {
        Process::start(role, order, &self.log, &self.processes).await
    }

    /// Worker processes that have still to begin, at full speed.
    pub(super) async fn worker_processes(&self, count: usize) -> anyhow::Result<Vec<Process>> {
        let worker = || self.worker_process(WorkerConfig { concurrency: CONCURRENCY, ..self.worker.clone() });
        futures::future::try_join_all((0..count).map(|_| worker())).await
    }

    /// A worker process that has done a job, and waits for more.
    pub(super) async fn idle_worker(&self) -> anyhow::Result<Process> {
        let mut worker = self.worker_processes(1).await?.pop().context("one was started")?;
        worker.go().await?;
        let done = self.queue.stats().await?.done();
        self.queue.enqueue(&[Load::first()?]).await?;
        self.until(|stats| stats.done() > done).await?;
        Ok(worker)
    }
}
