//! What the tests work with: a queue, jobs for it, workers on it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use millgate_jobs::{
    Enqueued, Job, JobId, JobOptions, JobState, JobView, NewJob, Queue, QueueStats, Queues, RedisConfig,
};
use millgate_testkit::{RedisServer, RedisSpace, wait_until};
use serde::{Deserialize, Serialize};

use crate::worker::{Settings, Worker};

/// For everything that takes as long as the machine makes it.
pub(crate) const SOON: Duration = Duration::from_mins(2);

#[derive(Serialize, Deserialize)]
pub(crate) struct Work {
    pub(crate) n: usize,
}

impl Job for Work {
    const KIND: &'static str = "work";
    const QUEUE: &'static str = "main";
}

/// Another kind in the same queue.
#[derive(Serialize, Deserialize)]
pub(crate) struct Play;

impl Job for Play {
    const KIND: &'static str = "play";
    const QUEUE: &'static str = "main";
}

/// A job about something that happened at [`at(0)`](at).
pub(crate) fn job(n: usize, options: JobOptions) -> NewJob {
    NewJob::new(&Work { n }, options, at(0)).unwrap()
}

pub(crate) fn jobs(count: usize) -> Vec<NewJob> {
    (0..count).map(|n| job(n, JobOptions::default())).collect()
}

/// Jobs with ids of their own.
pub(crate) fn named(count: usize) -> Vec<NewJob> {
    jobs(count).into_iter().enumerate().map(|(n, job)| job.with_id(n.to_string())).collect()
}

/// So many seconds after a moment in 2023.
pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
}

/// A queue under a prefix of its own, in the shared Redis or in one of the test's own.
pub(crate) struct Bench {
    pub(crate) queue: Queue,
    queues: Queues,
    config: RedisConfig,
    space: Option<RedisSpace>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::configured(|config| config)
    }

    /// The same, where an id is forgotten after `window`.
    pub(crate) fn with_window(window: Duration) -> Self {
        Self::configured(|config| RedisConfig { dedupe_window: window, ..config })
    }

    pub(crate) fn configured(change: impl FnOnce(RedisConfig) -> RedisConfig) -> Self {
        let space = RedisSpace::fresh("queue");
        let bench = Self::at(change(space.config()));
        Self { space: Some(space), ..bench }
    }

    pub(crate) fn on(server: &RedisServer) -> Self {
        Self::at(server.config("queue"))
    }

    pub(crate) fn at(config: RedisConfig) -> Self {
        let queues = Queues::new(&config).unwrap();
        Self { queue: queues.queue(Work::QUEUE), queues, config, space: None }
    }

    /// The shared Redis, for tests that look behind the scenes.
    pub(crate) fn redis(&self) -> &RedisSpace {
        self.space.as_ref().unwrap()
    }

    /// The name of one of the queue's keys.
    pub(crate) fn key(&self, part: &str) -> String {
        format!("{{{}:{}}}:{part}", self.config.prefix, Work::QUEUE)
    }

    /// Another queue of the same Redis.
    pub(crate) fn other(&self, name: &str) -> Queue {
        self.queues.queue(name)
    }

    /// The queue by way of another address.
    pub(crate) fn queue_at(&self, address: &str) -> Queue {
        let config = RedisConfig { response_timeout: Duration::from_secs(1), ..self.redis().config_at(address) };
        Queues::new(&config).unwrap().queue(Work::QUEUE)
    }

    /// The queue as another process has it, with the clock of all.
    pub(crate) fn of_another(&self) -> Queue {
        self.queues.reconnected().queue(Work::QUEUE)
    }

    /// A worker with its own way to Redis, and the clock of all.
    pub(crate) fn worker(&self, settings: Settings) -> Worker {
        Worker::start(&self.of_another(), settings)
    }

    /// A worker that reaches Redis by way of another address.
    pub(crate) fn worker_at(&self, address: &str, settings: Settings) -> Worker {
        Worker::start(&self.queue_at(address), settings)
    }

    /// Puts the clock forward, and wakes an idle worker to see what that means.
    pub(crate) async fn skip(&self, time: Duration) {
        self.jump(time);
        self.queue.resume().await.unwrap();
    }

    /// Puts the clock forward, and lets whoever speaks next find out.
    pub(crate) fn jump(&self, time: Duration) {
        self.queues.pass(time);
    }

    /// Puts a job in, and gives its id.
    pub(crate) async fn enter(&self, job: NewJob) -> JobId {
        let entered = self.queue.push(job).await.unwrap();
        let Enqueued::New(id) = entered else { panic!("not taken in: {entered:?}") };
        id
    }

    /// How a job is, if it is there.
    pub(crate) async fn view(&self, id: JobId) -> Option<JobView> {
        self.queue.look(&[id]).await.unwrap().pop()
    }

    pub(crate) async fn state(&self, id: JobId) -> Option<JobState> {
        self.view(id).await.map(|view| view.state)
    }

    pub(crate) async fn stats(&self) -> QueueStats {
        self.queue.stats().await.unwrap()
    }

    /// Waits until the counts are as wanted.
    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(&QueueStats) -> bool) {
        // A Redis that is away is what some tests are about.
        wait_until(what, SOON, async || self.queue.stats().await.is_ok_and(|stats| wanted(&stats))).await;
    }

    /// Lets so much time pass by the clock of Redis, which is the one that leases end by.
    pub(crate) async fn pass(&self, time: Duration) {
        let end = self.redis().now().await + i64::try_from(time.as_millis()).unwrap();
        wait_until("the time passes", SOON, async || self.redis().now().await > end).await;
    }

    /// The last step of every test: whatever happened, no job is missing and none is there twice.
    pub(crate) async fn check(&self) -> QueueStats {
        let stats = self.stats().await;
        assert!(stats.adds_up(), "{stats:?}");
        assert_eq!(self.queue.check().await.unwrap(), Vec::<String>::new());
        stats
    }
}
