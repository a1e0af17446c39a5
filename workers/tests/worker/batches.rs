//! Handlers that do several jobs at once.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use millgate_derive::Job;
use millgate_jobs::{JobOptions, JobState, Queues, RedisConfig};
use millgate_testkit::Proxy;
use millgate_workers::{BatchCtx, Ctx, Done, Handlers, JobError, State, WorkerConfig};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc};

use crate::bench::{Bench, Running, SOON, Work, config, new};

const MOMENT: Duration = Duration::from_millis(50);

type Answers = Vec<Result<Done, JobError>>;

async fn enqueue(bench: &Bench, numbers: std::ops::Range<u32>) {
    let jobs: Vec<_> = numbers.map(|n| new(&Work { n }, JobOptions::default().max_attempts(2))).collect();
    bench.queue().enqueue(&jobs).await.unwrap();
}

fn batch<F>(most: usize, wait: Duration, handler: impl Fn(Vec<Work>, BatchCtx) -> F + Send + Sync + 'static) -> Handlers
where
    F: Future<Output = Answers> + Send + 'static,
{
    let mut handlers = Handlers::default();
    handlers.add_batch::<Work>(most, wait, handler);
    handlers
}

async fn next<T>(seen: &mut mpsc::UnboundedReceiver<T>) -> T {
    tokio::time::timeout(SOON, seen.recv()).await.expect("a handler is called").unwrap()
}

#[tokio::test]
async fn jobs_are_done_at_once_as_soon_as_there_are_enough() {
    let bench = Bench::new();
    enqueue(&bench, 0..30).await;
    let (sender, mut calls) = mpsc::unbounded_channel();
    // Nobody would wait for so long: only a batch that is full begins.
    let handlers = batch(10, SOON * 2, move |jobs, ctx| {
        let _ = sender.send((jobs.len(), ctx.runs.len(), ctx.state::<u8>().copied()));
        async move { vec![Ok(Done); jobs.len()] }
    });
    let worker = Running::start(&bench.queues, &handlers, &config(), State::new().with(7_u8));
    for _ in 0..3 {
        assert_eq!(next(&mut calls).await, (10, 10, Ok(7)));
    }
    bench.until("all are done", |stats| stats.done() == 30).await;
    worker.stop().await;
    bench.check().await;
}

#[tokio::test]
async fn those_there_are_do_not_wait_for_ever() {
    let bench = Bench::new();
    enqueue(&bench, 0..3).await;
    let (sender, mut calls) = mpsc::unbounded_channel();
    let handlers = batch(1_000, 4 * MOMENT, move |jobs: Vec<Work>, _| {
        let _ = sender.send((jobs.iter().map(|job| job.n).sum::<u32>(), Instant::now()));
        async move { vec![Ok(Done); jobs.len()] }
    });
    let begun = Instant::now();
    let worker = bench.start(&handlers, &config());
    let (sum, at) = next(&mut calls).await;
    assert_eq!(sum, 3, "all three at once");
    assert!(at - begun >= 4 * MOMENT, "after {:?}", at - begun);
    bench.until("all are done", |stats| stats.done() == 3).await;
    worker.stop().await;
    bench.check().await;
}

/// [`Work`] whose arguments cannot be read as such.
#[derive(Debug, Serialize, Deserialize, Job)]
#[job(queue = "main", kind = "work")]
struct Misshapen {
    n: String,
}

#[tokio::test]
async fn each_job_of_a_batch_has_its_own_verdict() {
    let bench = Bench::new();
    enqueue(&bench, 0..4).await;
    bench.enqueue(&[new(&Misshapen { n: "many".into() }, JobOptions::default())]).await;
    let handlers = batch(5, SOON, |jobs: Vec<Work>, ctx: BatchCtx| async move {
        let each = jobs.iter().zip(&ctx.runs).map(|(job, run)| match job.n {
            0 => Err(JobError::dead("bad", "no use")),
            1 => Err(JobError::cancel("not wanted")),
            2 if run.attempt == 1 => Err(JobError::retry_after(Duration::ZERO, "later")),
            _ => Ok(Done),
        });
        each.collect()
    });
    // What comes again, comes alone.
    let worker = bench.start(&handlers, &config());
    bench.until("all but one have ended", |stats| stats.dead() == 2 && stats.done() == 1).await;
    enqueue(&bench, 10..14).await;
    bench.until("all have ended", |stats| stats.done() == 6).await;
    worker.stop().await;
    let stats = bench.check().await;
    assert_eq!((stats.dead(), stats.cancelled(), stats.kinds["work"].retried), (2, 1, 1));
}

#[tokio::test]
async fn a_batch_that_panics_or_answers_wrongly_fails_each_of_its_jobs() {
    for (code, message, panics) in
        [("panic", "all of them", true), ("internal", "the handler of work answered for 1 of 3 jobs", false)]
    {
        let bench = Bench::new();
        enqueue(&bench, 0..3).await;
        let handlers = batch(3, SOON, move |_, _| async move {
            assert!(!panics, "all of them");
            vec![Ok(Done)]
        });
        let worker = bench.start(&handlers, &config());
        bench.until("all are dead", |stats| stats.dead() == 3).await;
        worker.stop().await;
        let stats = bench.check().await;
        assert_eq!(stats.kinds["work"].retried, 3, "each at its own last attempt");
        for dead in bench.queue().claim_dead(3, SOON).await.unwrap() {
            assert_eq!((&*dead.failure.code, &*dead.failure.message), (code, message));
        }
    }
}

#[tokio::test]
async fn a_job_that_takes_too_long_fails_and_the_others_of_its_batch_go_on() {
    let bench = Bench::new();
    let hasty = JobOptions::default().max_attempts(1).timeout(MOMENT);
    bench.enqueue(&[new(&Work { n: 1 }, hasty), new(&Work { n: 2 }, JobOptions::default())]).await;
    let handlers = batch(2, SOON, |jobs: Vec<Work>, ctx: BatchCtx| async move {
        let late = jobs.iter().position(|job| job.n == 1).unwrap();
        ctx.runs[late].cancelled.cancelled().await;
        vec![Ok(Done), Ok(Done)]
    });
    let worker = bench.start(&handlers, &config());
    let dead = bench.the_dead().await;
    assert_eq!((&*dead.failure.code, &*dead.payload), ("timeout", r#"{"n":1}"#));
    bench.until("the other is done", |stats| stats.done() == 1).await;
    worker.stop().await;
    bench.check().await;
}

#[tokio::test]
async fn a_batch_that_nobody_waits_for_is_dropped() {
    struct Tell(Arc<Notify>);
    impl Drop for Tell {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let bench = Bench::new();
    let hasty = || JobOptions::default().max_attempts(1).timeout(MOMENT);
    bench.enqueue(&[new(&Work { n: 1 }, hasty()), new(&Work { n: 2 }, hasty())]).await;
    let gone = Arc::new(Notify::new());
    let tell = gone.clone();
    let handlers = batch(2, SOON, move |_, _| {
        let tell = Tell(tell.clone());
        async move {
            let _tell = tell;
            std::future::pending().await
        }
    });
    let worker = bench.start(&handlers, &config());
    tokio::time::timeout(SOON, gone.notified()).await.expect("its future is dropped");
    bench.until("both are dead", |stats| stats.dead() == 2).await;
    worker.stop().await;
    bench.check().await;
}

#[tokio::test]
async fn a_lost_lease_is_known_to_the_batch() {
    let bench = Bench::new();
    enqueue(&bench, 0..2).await;
    let proxy = Proxy::to(&bench.space.address());
    let second = Duration::from_secs(1);
    let way = RedisConfig { response_timeout: second, ..bench.space.config_at(&proxy.address()) };
    let short = WorkerConfig { lease: second, ..config() };
    let (sender, mut calls) = mpsc::unbounded_channel();
    let pending = batch(2, SOON, move |_, ctx| {
        let _ = sender.send(ctx);
        std::future::pending()
    });
    let first = Running::start(&Queues::new(&way).unwrap(), &pending, &short, State::new());
    let ctx = next(&mut calls).await;
    proxy.cut();
    let other = bench.start(&batch(2, MOMENT, |jobs, _| async move { vec![Ok(Done); jobs.len()] }), &short);
    bench.until("another does them", |stats| stats.done() == 2).await;
    proxy.restore();
    for run in &ctx.runs {
        tokio::time::timeout(SOON, run.cancelled.cancelled()).await.expect("each is told");
    }
    first.stop().await;
    other.stop().await;
    assert_eq!(bench.check().await.kinds["work"].rescued, 2);
}

#[tokio::test]
async fn a_job_can_be_stopped_while_it_waits_for_its_batch() {
    let bench = Bench::new();
    enqueue(&bench, 0..1).await;
    let worker = bench.start(&batch(2, SOON, |jobs, _| async move { vec![Ok(Done); jobs.len()] }), &config());
    bench.until("it is in hand", |stats| stats.active == 1).await;
    let job = bench.queue().page(JobState::Active, None, 1, None).await.unwrap().ids[0];
    bench.queue().stop(&[job]).await.unwrap();
    bench.until("it is cancelled", |stats| stats.cancelled() == 1).await;
    // Its place in the batch is free again: it takes two others to fill it, or less and the rest of the wait.
    enqueue(&bench, 1..3).await;
    bench.until("the others are done", |stats| stats.done() == 2).await;
    worker.stop().await;
    bench.check().await;
}

#[tokio::test]
async fn a_batch_is_no_larger_than_what_a_worker_may_have_in_hand() {
    let bench = Bench::new();
    enqueue(&bench, 0..6).await;
    let (sender, mut calls) = mpsc::unbounded_channel();
    let handlers = batch(100, MOMENT, move |jobs, _| {
        let _ = sender.send(jobs.len());
        async move { vec![Ok(Done); jobs.len()] }
    });
    let worker = bench.start(&handlers, &WorkerConfig { concurrency: 2, ..config() });
    bench.until("all are done", |stats| stats.done() == 6).await;
    worker.stop().await;
    let mut sizes = Vec::new();
    while let Ok(size) = calls.try_recv() {
        sizes.push(size);
    }
    assert!(sizes.iter().all(|size| *size <= 2), "{sizes:?}");
    assert_eq!(sizes.iter().sum::<usize>(), 6);
    bench.check().await;
}

#[tokio::test]
async fn a_batch_handler_can_be_called_in_a_test() {
    let runs = vec![Ctx::for_test("a", crate::bench::time(), State::new())];
    let ctx = BatchCtx::for_test(runs, State::new().with("state"));
    assert_eq!(ctx.state::<&str>(), Ok(&"state"));
    ctx.runs[0].progress(50).await;
    assert_eq!(ctx.runs[0].noted().progress, Some(50.0));
}
