//! Layers around handlers.

use std::{
    error::Error,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use millgate_derive::Job;
use millgate_jobs::{JobOptions, QueueStats};
use millgate_workers::{
    Breaker, BreakerConfig, BreakerState, Ctx, Done, Handler, Handlers, JobError, LoadShed, State, WorkerConfig,
};
use serde::{Deserialize, Serialize};
use tower::{Layer, Service};

use crate::bench::{Bench, Running, Work, config, new, time};

type BoxError = Box<dyn Error + Send + Sync>;
type Notes = Arc<Mutex<Vec<String>>>;

/// As somebody would write it who never heard of millgate: whatever the request, and whatever the error.
#[derive(Clone)]
struct Note {
    name: &'static str,
    notes: Notes,
}

#[derive(Clone)]
struct Noting<S> {
    note: Note,
    inner: S,
}

impl<S> Layer<S> for Note {
    type Service = Noting<S>;
    fn layer(&self, inner: S) -> Noting<S> {
        Noting { note: self.clone(), inner }
    }
}

impl<S, R> Service<R> for Noting<S>
where
    S: Service<R>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let (run, Note { name, notes }) = (self.inner.call(request), self.note.clone());
        notes.lock().unwrap().push(format!("into {name}"));
        Box::pin(async move {
            let answer = run.await.map_err(Into::into);
            notes.lock().unwrap().push(format!("out of {name}"));
            answer
        })
    }
}

async fn cancel_odd(job: Work, State(notes): State<Notes>) -> Result<Done, JobError> {
    notes.lock().unwrap().push("handler".into());
    if job.n % 2 == 1 { Err(JobError::cancel("odd")) } else { Ok(Done) }
}

#[tokio::test]
async fn anybodys_layers_go_around_a_handler_and_all_handlers() {
    let bench = Bench::new();
    let notes = Notes::default();
    let note = |name| Note { name, notes: notes.clone() };
    let mut handlers = Handlers::default();
    handlers.layer(note("worker"));
    handlers.add_handler(cancel_odd.layer(note("inner")).layer(note("outer")));
    handlers.layer(note("outermost"));
    let worker = Running::start(&bench.queues, &handlers, &config(), State::new().with(notes.clone()));
    let order = ["outermost", "worker", "outer", "inner"];
    let expected = order.map(|name| format!("into {name}")).into_iter().chain(["handler".to_owned()]);
    let expected: Vec<_> =
        expected.chain(["inner", "outer", "worker", "outermost"].map(|n| format!("out of {n}"))).collect();
    for (n, ended) in [(2, QueueStats::done as fn(&QueueStats) -> u64), (1, QueueStats::cancelled)] {
        bench.enqueue(&[new(&Work { n }, JobOptions::default())]).await;
        bench.until("it ends", |stats| ended(stats) == 1).await;
        assert_eq!(std::mem::take(&mut *notes.lock().unwrap()), expected, "a verdict goes through boxes as it is");
    }
    worker.stop().await;
    bench.check().await;

    // In a test of the handler, too.
    let ctx = Ctx::for_test("id", time(), State::new().with(notes.clone()));
    let layered = cancel_odd.layer(note("inner"));
    assert_eq!(Handler::call(&layered, Work { n: 3 }, ctx).await, Err(JobError::cancel("odd")));
    assert_eq!(notes.lock().unwrap().len(), 3);
}

#[derive(Debug, Serialize, Deserialize, Job)]
#[job(queue = "main")]
struct Other;

/// What both handlers need, and how often it was asked in vain.
#[derive(Clone, Default)]
struct Dependency {
    up: Arc<AtomicBool>,
    refused: Arc<AtomicU32>,
    spent: Arc<AtomicU32>,
}

impl Dependency {
    fn ask(&self, attempt: u32) -> Result<Done, JobError> {
        if self.up.load(Ordering::SeqCst) {
            self.spent.fetch_add(attempt - 1, Ordering::SeqCst);
            return Ok(Done);
        }
        self.refused.fetch_add(1, Ordering::SeqCst);
        Err(JobError::retry("it is down"))
    }
}

#[tokio::test]
async fn jobs_wait_for_a_dependency_that_is_down_without_spending_attempts() {
    async fn work(_: Work, State(dependency): State<Dependency>, ctx: Ctx) -> Result<Done, JobError> {
        dependency.ask(ctx.attempt)
    }
    async fn other(_: Other, State(dependency): State<Dependency>, ctx: Ctx) -> Result<Done, JobError> {
        dependency.ask(ctx.attempt)
    }
    let bench = Bench::new();
    let often = || JobOptions::default().max_attempts(100);
    let jobs = (0..10).flat_map(|n| [new(&Work { n }, often()), new(&Other, often())]);
    bench.enqueue(&jobs.collect::<Vec<_>>()).await;
    let open_for = Duration::from_millis(200);
    let breaker = Breaker::new("it", BreakerConfig { minimum_calls: 3, open_for, ..BreakerConfig::default() });
    let mut handlers = Handlers::default();
    let notes = Notes::default();
    let note = Note { name: "inner", notes: notes.clone() };
    handlers.add_handler(work.layer(note.clone()).layer(breaker.clone()));
    handlers.add_handler(other.layer(note).layer(breaker.clone()));
    let dependency = Dependency::default();
    let one = WorkerConfig { concurrency: 1, ..config() };
    let worker = Running::start(&bench.queues, &handlers, &one, State::new().with(dependency.clone()));
    let snoozed = |stats: &QueueStats| stats.kinds.values().map(|kind| kind.snoozed).sum::<u64>();
    bench.until("both kinds have waited", |stats| snoozed(stats) >= 20).await;
    assert_ne!(breaker.state(), BreakerState::Closed);
    dependency.up.store(true, Ordering::SeqCst);
    bench.until("all are done", |stats| stats.done() == 20).await;
    worker.stop().await;
    assert_eq!(breaker.state(), BreakerState::Closed);
    let [refused, spent] = [&dependency.refused, &dependency.spent].map(|count| count.load(Ordering::SeqCst));
    assert_eq!(spent, refused, "an attempt is spent where the dependency was asked, and nowhere else");
    let inner = u32::try_from(notes.lock().unwrap().len() / 2).unwrap();
    assert_eq!(inner, refused + 20, "layers within the breaker see only what it lets through");
    assert_eq!(bench.check().await.dead(), 0);
}

#[tokio::test]
async fn a_run_that_is_cut_off_or_panics_is_a_failure_of_its_dependency() {
    #[derive(Debug, Serialize, Deserialize, Job)]
    #[job(queue = "main", timeout = "20ms", max_attempts = 1)]
    struct Slow {
        panics: bool,
    }
    async fn slow(job: Slow) -> Result<Done, JobError> {
        assert!(!job.panics, "on purpose");
        std::future::pending().await
    }
    for panics in [false, true] {
        let bench = Bench::new();
        let breaker = Breaker::new("it", BreakerConfig { minimum_calls: 2, ..BreakerConfig::default() });
        bench
            .enqueue(&[new(&Slow { panics }, JobOptions::default()), new(&Slow { panics }, JobOptions::default())])
            .await;
        let mut handlers = Handlers::default();
        handlers.add_handler(slow.layer(breaker.clone()));
        let worker = bench.start(&handlers, &config());
        bench.until("both are dead", |stats| stats.dead() == 2).await;
        millgate_testkit::wait_until("it opens", crate::bench::SOON, async || breaker.state() == BreakerState::Open)
            .await;
        worker.stop().await;
        bench.check().await;
    }
}

#[tokio::test]
async fn what_is_too_much_goes_back_to_the_queue() {
    let bench = Bench::new();
    let jobs: Vec<_> = (0..30).map(|n| new(&Work { n }, JobOptions::default().max_attempts(1))).collect();
    bench.enqueue(&jobs).await;
    let (now, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let highest = most.clone();
    let mut handlers = Handlers::default();
    handlers.add::<Work>(move |_, _: Ctx| {
        let (now, most) = (now.clone(), most.clone());
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(5)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok(Done)
        }
    });
    handlers.layer(LoadShed::in_flight(3).pause(Duration::from_millis(20)));
    let worker = bench.start(&handlers, &WorkerConfig { concurrency: 16, ..config() });
    bench.until("all are done", |stats| stats.done() == 30).await;
    worker.stop().await;
    assert_eq!(highest.load(Ordering::SeqCst), 3);
    assert!(bench.check().await.kinds["work"].handed_back > 0);
}
