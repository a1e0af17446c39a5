//! What handlers take beside their job.

use chrono::DateTime;
use millgate_derive::Job;
use millgate_jobs::{Backoff, Claimed, JobOptions, Origin, Verdict};
use millgate_workers::{
    Cancelled, Ctx, Done, FromCtx, Handler, Handlers, JobError, Progress, State, Worker, WorkerError,
};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::bench::{Bench, Running, SOON, Work, config, new, time};

type Seen = mpsc::UnboundedSender<(u32, String, Option<Origin>, u32)>;

fn origin() -> Origin {
    Origin {
        event_id: "e".into(),
        event_source: "shop".into(),
        event_type: "order.created".into(),
        correlation_id: "c".into(),
        traceparent: None,
        record: "t/0/7".into(),
        ..Origin::default()
    }
}

/// A type that a program can take because it says how.
struct Tries(u32);

impl FromCtx for Tries {
    fn from_ctx(ctx: &Ctx) -> Result<Self, JobError> {
        Ok(Self(ctx.attempt))
    }
}

async fn take_all(
    job: Work,
    State(seen): State<Seen>,
    word: State<String>,
    origin: Option<Origin>,
    Tries(tries): Tries,
    cancelled: Cancelled,
    progress: Progress,
) -> Result<Done, JobError> {
    assert!(!cancelled.is_cancelled());
    progress.set(50).await;
    progress.log("half").await;
    seen.send((job.n, word.to_uppercase(), origin, tries)).unwrap();
    Ok(Done)
}

#[tokio::test]
async fn a_handler_takes_what_it_names() {
    let bench = Bench::new();
    let caused = new(&Work { n: 7 }, JobOptions::default()).caused_by("id-7".into(), origin());
    bench.enqueue(&[caused]).await;
    let mut handlers = Handlers::default();
    handlers.add_handler(take_all);
    let (seen, mut all_seen) = mpsc::unbounded_channel();
    let state = State::new().with::<Seen>(seen).with("word".to_owned());
    let worker = Running::start(&bench.queues, &handlers, &config(), state);
    let taken = tokio::time::timeout(SOON, all_seen.recv()).await.unwrap().unwrap();
    assert_eq!(taken, (7, "WORD".to_owned(), Some(origin()), 1));
    worker.stop().await;
    assert_eq!(bench.check().await.done(), 1);
}

#[tokio::test]
async fn what_it_notes_is_noted_and_a_cancel_reaches_it() {
    async fn wait(_: Work, progress: Progress, cancelled: Cancelled) -> Result<Done, JobError> {
        progress.set(25).await;
        progress.log("waiting").await;
        cancelled.cancelled().await;
        Err(JobError::cancel("no longer wanted"))
    }
    let ctx = Ctx::for_test("id", time(), State::new());
    ctx.cancelled.cancel();
    assert_eq!(Handler::call(&wait, Work { n: 1 }, ctx.clone()).await, Err(JobError::cancel("no longer wanted")));
    assert_eq!((ctx.noted().progress, ctx.noted().log), (Some(25.0), vec!["waiting".to_owned()]));
}

#[tokio::test]
async fn a_job_alone_is_enough() {
    async fn alone(job: Work) -> Result<Done, JobError> {
        if job.n == 1 { Ok(Done) } else { Err(JobError::dead("not_one", job.n)) }
    }
    let ctx = || Ctx::for_test("id", time(), State::new());
    assert_eq!(Handler::call(&alone, Work { n: 1 }, ctx()).await, Ok(Done));
    assert_eq!(Handler::call(&alone, Work { n: 2 }, ctx()).await, Err(JobError::dead("not_one", 2)));
}

#[derive(Debug, Serialize, Deserialize, Job)]
#[job(queue = "side")]
struct Aside;

#[tokio::test]
async fn a_worker_does_not_start_without_what_its_handlers_take() {
    async fn aside(_: Aside, _: State<u64>, _: Ctx) -> Result<Done, JobError> {
        Ok(Done)
    }
    let bench = Bench::new();
    let mut handlers = Handlers::default();
    handlers.add_handler(take_all);
    handlers.add_handler(aside.layer(millgate_workers::LoadShed::in_flight(1)));
    let start = |queues: &[&str], state: State| {
        let queues = queues.iter().map(ToString::to_string).collect();
        let config = millgate_workers::WorkerConfig { queues, ..config() };
        Worker::start(&config, &bench.queues, handlers.clone().into(), state)
    };
    let state = || State::new().with::<Seen>(mpsc::unbounded_channel().0);
    let error = start(&[], state()).err().unwrap();
    let told = "alloc::string::String (for work)";
    assert!(matches!(&error, WorkerError::NoState(missing) if missing.len() == 2), "{error}");
    assert!(error.to_string().contains(told) && error.to_string().contains("u64 (for aside)"), "{error}");
    assert!(error.to_string().contains("add App::state(…)"), "{error}");
    // What the handlers of other queues take is no concern of this worker.
    assert!(start(&["side"], State::new().with(7_u64)).is_ok());
    assert!(start(&["main"], state().with(String::new())).is_ok());
}

#[tokio::test]
async fn what_cannot_be_taken_is_named_and_nothing_panics() {
    async fn wants_event(_: Work, _: Origin) -> Result<Done, JobError> {
        Ok(Done)
    }
    let run = async |handlers: Handlers| {
        let job = Claimed::for_test(&new(&Work { n: 1 }, JobOptions::default()), "id", 1, DateTime::UNIX_EPOCH);
        std::sync::Arc::new(handlers).run(job, State::new(), Backoff::fixed(SOON)).await
    };
    let mut handlers = Handlers::default();
    handlers.add_handler(take_all);
    let Verdict::Retry { failure, .. } = run(handlers).await else {
        panic!("a worker that was set up right can do it")
    };
    assert_eq!(failure.code, "no_state");
    assert!(failure.message.contains("UnboundedSender"), "{failure}");
    let mut handlers = Handlers::default();
    handlers.add_handler(wants_event);
    let Verdict::Dead { failure } = run(handlers).await else { panic!("it will never have an event") };
    assert_eq!(failure.code, "invalid_request");
    assert!(failure.message.contains("take Option<Origin>"), "{failure}");
}
