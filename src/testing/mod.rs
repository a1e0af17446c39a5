#![doc = include_str!("../../docs/testing.md")]
#![allow(clippy::missing_panics_doc, reason = "what goes wrong here is a test that cannot be run; a panic says so")]

mod fixtures;
mod in_memory;
mod job;
mod on_redis;

use std::{panic::Location, path::Path, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use millgate_bridge::{Plan, Routes};
use millgate_events::{Event, EventMeta, Record};
use millgate_jobs::{Backoff, Claimed, Job, JobOptions, NewJob};
use millgate_workers::{Handlers, State};

use crate::App;
use in_memory::InMemory;
use on_redis::OnRedis;

pub use fixtures::assert_fixtures;
pub use job::{EnqueuedJob, Ran};
pub use millgate_jobs::{Failure, Verdict};

/// More runs than any test means: jobs that come back at once, for ever.
const RUNS: usize = 10_000;

/// An application in a test's hand.
pub struct TestApp {
    /// Those of every group, the main one first.
    routes: Vec<Routes>,
    handlers: Arc<Handlers>,
    state: State,
    backoff: Backoff,
    jobs: Jobs,
}

/// Where jobs lie.
enum Jobs {
    InMemory(InMemory),
    OnRedis(Box<OnRedis>),
}

impl TestApp {
    /// An application without any server: jobs lie in memory. Lanes, tenants and limits of queues have no meaning
    /// there, as jobs run one at a time.
    pub fn inline(app: App) -> Self {
        Self::new(app, |_| Jobs::InMemory(InMemory::new()))
    }

    /// An application whose jobs lie in the Redis at `url`, under a prefix of this value's own that is removed with it.
    pub fn on_redis(app: App, url: &str) -> Self {
        Self::new(app, |app| Jobs::OnRedis(Box::new(OnRedis::new(url, app.queue_names(), app.handlers.queues()))))
    }

    fn new(app: App, jobs: impl FnOnce(&App) -> Jobs) -> Self {
        // An empty file: what is configured for this machine is not for its tests.
        let loaded = app.load(Some(Path::new("/dev/null")), std::iter::empty());
        let (app, configuration) = loaded.unwrap_or_else(|error| panic!("{error}"));
        let worker = configuration.config.worker;
        let jobs = jobs(&app);
        let backoff = Backoff::exponential(worker.backoff_base, worker.backoff_max);
        let groups = app.groups.into_iter().map(|group| group.routes);
        let routes = std::iter::once(app.routes).chain(groups).collect();
        Self { routes, handlers: Arc::new(app.handlers), state: app.state, backoff, jobs }
    }

    /// What the names of its keys in Redis begin with, for a look at them; nothing inline.
    pub fn prefix(&self) -> Option<&str> {
        match &self.jobs {
            Jobs::InMemory(_) => None,
            Jobs::OnRedis(jobs) => Some(jobs.prefix()),
        }
    }

    /// What the bridge does with an event: its routes' jobs are enqueued, their cancels take effect.
    pub async fn publish<E: Event>(&self, event: &E) {
        let meta = EventMeta::new::<E>("test", self.now().await);
        self.publish_as(event, meta).await;
    }

    /// The same, with attributes that the test chooses: an id that came before, or an earlier time.
    pub async fn publish_as<E: Event>(&self, event: &E, meta: EventMeta) {
        let Plan { jobs, cancels } = self.plan(event, &meta);
        for job in jobs {
            self.add(job).await;
        }
        for (queue, cancel) in cancels {
            match &self.jobs {
                Jobs::InMemory(jobs) => jobs.cancel(&cancel),
                Jobs::OnRedis(jobs) => jobs.cancel(&queue, cancel).await,
            }
        }
    }

    /// By way of a record, as it would lie in Kafka: what cannot be written or read is found here.
    fn plan<E: Event>(&self, event: &E, meta: &EventMeta) -> Plan {
        let value = serde_json::to_vec(event).unwrap_or_else(|error| panic!("{} is no JSON: {error}", E::TYPE));
        let record = Record {
            topic: E::TOPIC.into(),
            partition: 0,
            offset: 0,
            timestamp: Some(meta.time.timestamp_millis()),
            key: Some(event.key().into()),
            value: Some(value.into()),
            headers: meta.to_headers("application/json"),
        };
        let mut all = Plan::default();
        for (number, routes) in self.routes.iter().enumerate() {
            if number > 0 && !routes.topics().any(|topic| topic == E::TOPIC) {
                continue;
            }
            let plan = routes.plan(&record, E::TOPIC).unwrap_or_else(|poison| panic!("{poison}"));
            let Plan { jobs, cancels } = plan.unwrap_or_default();
            all.jobs.extend(jobs);
            all.cancels.extend(cancels);
        }
        all
    }

    /// Enqueues a job.
    pub async fn enqueue<J: Job>(&self, job: &J, options: JobOptions) {
        self.add(new_job(job, options)).await;
    }

    async fn add(&self, job: NewJob) {
        match &self.jobs {
            Jobs::InMemory(jobs) => jobs.enqueue(job),
            Jobs::OnRedis(jobs) => jobs.enqueue(job).await,
        }
    }

    /// Runs a job at once, without any queue, and gives what it came to. It is its first run.
    pub async fn perform<J: Job>(&self, job: &J) -> Verdict {
        assert!(self.handlers.handles(J::KIND), "no handler does jobs of kind {}; add App::worker(…)", J::KIND);
        let now = self.now().await;
        self.run(Claimed::for_test(&new_job(job, JobOptions::default()), "test", 1, now)).await
    }

    /// Runs all jobs that are due, one at a time, and those that become due by that, until none is. Gives every run.
    pub async fn drain(&self) -> Vec<Ran> {
        let mut runs = Vec::new();
        while let Some(ran) = self.run_next().await {
            runs.push(ran);
            assert!(runs.len() < RUNS, "{RUNS} runs, and still jobs are due: does one come back without a pause?");
        }
        runs
    }

    async fn run_next(&self) -> Option<Ran> {
        match &self.jobs {
            Jobs::InMemory(jobs) => {
                let (job, claimed) = jobs.take()?;
                let ran = self.run_taken(&claimed).await;
                jobs.settle(job, &ran.verdict);
                Some(ran)
            }
            Jobs::OnRedis(jobs) => {
                let (hand, claimed) = jobs.take().await?;
                let ran = self.run_taken(&claimed).await;
                OnRedis::settle(hand, claimed, ran.verdict.clone()).await;
                Some(ran)
            }
        }
    }

    async fn run_taken(&self, job: &Claimed) -> Ran {
        Ran {
            id: job.id.clone(),
            kind: job.kind.to_string(),
            queue: job.queue.to_string(),
            payload: job.payload.clone(),
            attempt: job.attempt,
            verdict: self.run(job.clone()).await,
        }
    }

    async fn run(&self, job: Claimed) -> Verdict {
        self.handlers.clone().run(job, self.state.clone(), self.backoff).await
    }

    /// Lets time pass for the queues, so that what is delayed comes due. Handlers that look at a clock of their own
    /// do not see it.
    pub fn pass(&self, time: Duration) {
        match &self.jobs {
            Jobs::InMemory(jobs) => jobs.pass(time),
            Jobs::OnRedis(jobs) => jobs.pass(time),
        }
    }

    /// The queues' time.
    pub async fn now(&self) -> DateTime<Utc> {
        match &self.jobs {
            Jobs::InMemory(jobs) => jobs.now(),
            Jobs::OnRedis(jobs) => jobs.now().await,
        }
    }

    /// Jobs of kind `J` that are enqueued and did not come to their end, oldest first.
    pub async fn all_enqueued<J: Job>(&self) -> Vec<EnqueuedJob<J>> {
        match &self.jobs {
            Jobs::InMemory(jobs) => jobs.all(),
            Jobs::OnRedis(jobs) => jobs.all().await,
        }
    }

    /// Checks that such a job is enqueued; shows those that are if not. The job's arguments can be used as if they
    /// were its own: `|job| job.order_id == "o1" && job.priority == 1`.
    #[track_caller]
    pub fn assert_enqueued<J: Job>(&self, is: impl Fn(&EnqueuedJob<J>) -> bool) -> impl Future<Output = ()> {
        // Taken here: inside the future the caller would be the runtime.
        let caller = Location::caller();
        async move {
            let all = self.all_enqueued::<J>().await;
            let there = job::list(&all);
            assert!(all.iter().any(is), "at {caller}: no such {} is enqueued; there are: {there}", J::KIND);
        }
    }

    /// Checks that no such job is enqueued.
    #[track_caller]
    pub fn refute_enqueued<J: Job>(&self, is: impl Fn(&EnqueuedJob<J>) -> bool) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move {
            let mut all = self.all_enqueued::<J>().await;
            all.retain(is);
            assert!(all.is_empty(), "at {caller}: such a {} is enqueued: {}", J::KIND, job::list(&all));
        }
    }
}

fn new_job<J: Job>(job: &J, options: JobOptions) -> NewJob {
    NewJob::of(job, options).unwrap_or_else(|error| panic!("{error}"))
}
