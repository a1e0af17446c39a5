//! Jobs and their handlers.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use millgate_derive::Job;
use millgate_jobs::{Job, JobOptions, Origin, Queues, RedisConfig};
use millgate_testkit::{Proxy, wait_until};
use millgate_workers::{Ctx, Done, Handlers, JobError, State, Worker, WorkerConfig, WorkerError};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc};

use crate::bench::{Bench, Running, SOON, Work, config, new, time};

/// What handlers saw, in order.
fn seen<T>() -> (mpsc::UnboundedSender<T>, mpsc::UnboundedReceiver<T>) {
    mpsc::unbounded_channel()
}

async fn next<T>(seen: &mut mpsc::UnboundedReceiver<T>) -> T {
    tokio::time::timeout(SOON, seen.recv()).await.expect("a handler is called").unwrap()
}

fn handlers<F>(handler: impl Fn(Work, Ctx) -> F + Send + Sync + 'static) -> Handlers
where
    F: Future<Output = Result<Done, JobError>> + Send + 'static,
{
    let mut handlers = Handlers::default();
    handlers.add::<Work>(handler);
    handlers
}

#[tokio::test]
async fn a_handler_gets_its_job_and_all_there_is_to_know() {
    let bench = Bench::new();
    let origin = Origin {
        event_id: "e".into(),
        event_source: "shop".into(),
        event_type: "order.created".into(),
        correlation_id: "c".into(),
        traceparent: None,
        record: "t/0/7".into(),
        ..Origin::default()
    };
    let job = new(&Work { n: 7 }, JobOptions::default().max_attempts(3)).caused_by("id-7".into(), origin.clone());
    bench.enqueue(&[job]).await;
    let (sender, mut calls) = seen();
    let handlers = handlers(move |job, ctx: Ctx| {
        let word = ctx.state::<&str>().copied();
        let _ = sender.send((job, ctx, word));
        async { Ok(Done) }
    });
    let worker = Running::start(&bench.queues, &handlers, &config(), State::new().with("state"));
    let (job, ctx, word) = next(&mut calls).await;
    assert_eq!((job, word.unwrap()), (Work { n: 7 }, "state"));
    assert_eq!((ctx.job_id.as_str(), ctx.attempt, ctx.max_attempts, ctx.time), ("id-7", 1, 3, time()));
    assert_eq!(ctx.origin.as_deref(), Some(&origin));
    worker.stop().await;
    assert_eq!(bench.check().await.done(), 1);
}

#[tokio::test]
async fn a_failed_job_comes_again_after_a_pause_that_grows() {
    let bench = Bench::new();
    bench.enqueue(&[new(&Work { n: 1 }, JobOptions::default())]).await;
    let (sender, mut calls) = seen();
    let handlers = handlers(move |_, ctx: Ctx| {
        let _ = sender.send((ctx.attempt, Instant::now()));
        async move { if ctx.attempt < 4 { Err(std::io::Error::other("disk").into()) } else { Ok(Done) } }
    });
    let base = Duration::from_millis(200);
    let worker = bench.start(&handlers, &WorkerConfig { backoff_base: base, backoff_max: base * 2, ..config() });
    let mut last = None;
    // Between half and all of the base, of twice the base, and of no more than that.
    for (attempt, least) in [(1, Duration::ZERO), (2, base / 2), (3, base), (4, base)] {
        let (number, at) = next(&mut calls).await;
        assert_eq!(number, attempt);
        if let Some(last) = last.replace(at) {
            assert!(at - last >= least, "attempt {attempt} after {:?}", at - last);
        }
    }
    worker.stop().await;
    let stats = bench.check().await;
    assert_eq!((stats.done(), stats.kinds["work"].retried), (1, 3));
}

#[tokio::test]
async fn what_a_handler_says_happens() {
    let bench = Bench::new();
    // By number: what the first run answers. The second is always done.
    let jobs: Vec<_> = (0..5).map(|n| new(&Work { n }, JobOptions::default().max_attempts(2))).collect();
    bench.enqueue(&jobs).await;
    let runs = Arc::new(Mutex::new(HashMap::<u32, Vec<u32>>::new()));
    let all_runs = runs.clone();
    let handlers = handlers(move |job: Work, ctx: Ctx| {
        let mut runs = runs.lock().unwrap();
        let runs = runs.entry(job.n).or_default();
        runs.push(ctx.attempt);
        let first = runs.len() == 1;
        let short = Duration::from_millis(10);
        let answer = match job.n {
            _ if !first => Ok(Done),
            0 => Err(JobError::snooze(short)),
            1 => Err(JobError::retry_after(short, "later")),
            2 => Err(JobError::cancel("not wanted")),
            3 => Err(JobError::dead("out_of_stock", "none left")),
            _ => Ok(Done),
        };
        async { answer }
    });
    let worker = bench.start(&handlers, &config());
    bench.until("all have ended", |stats| stats.done() + stats.cancelled() + stats.dead() == 5).await;
    worker.stop().await;
    let runs = std::mem::take(&mut *all_runs.lock().unwrap());
    assert_eq!(runs[&0], [1, 1], "a snooze spends no attempt");
    assert_eq!(runs[&1], [1, 2]);
    assert_eq!((runs[&2].len(), runs[&3].len(), runs[&4].len()), (1, 1, 1));
    let stats = bench.check().await;
    assert_eq!((stats.done(), stats.cancelled(), stats.dead()), (3, 1, 1));
    assert_eq!(bench.the_dead().await.failure.code, "out_of_stock");
}

#[tokio::test]
async fn a_panic_is_a_failure_like_any_other() {
    let bench = Bench::new();
    bench.enqueue(&[new(&Work { n: 1 }, JobOptions::default().max_attempts(2))]).await;
    let handlers = handlers(|_, ctx: Ctx| async move { panic!("attempt {} goes wrong", ctx.attempt) });
    let worker = bench.start(&handlers, &config());
    let dead = bench.the_dead().await;
    assert_eq!((&*dead.failure.code, &*dead.failure.message), ("panic", "attempt 2 goes wrong"));
    worker.stop().await;
    assert_eq!(bench.check().await.kinds["work"].retried, 1);
}

/// A job that may take no time.
#[derive(Debug, Serialize, Deserialize, Job)]
#[job(queue = "main", timeout = "50ms", max_attempts = 1)]
struct Quick;

#[tokio::test]
async fn a_run_that_takes_too_long_is_ended() {
    struct Tell(Arc<Notify>);
    impl Drop for Tell {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let bench = Bench::new();
    bench.enqueue(&[new(&Quick, JobOptions::default())]).await;
    let ended = Arc::new(Notify::new());
    let tell = ended.clone();
    let mut handlers = Handlers::default();
    handlers.add::<Quick>(move |_, _| {
        let tell = Tell(tell.clone());
        async move {
            std::future::pending::<()>().await;
            drop(tell);
            Ok(Done)
        }
    });
    let worker = bench.start(&handlers, &config());
    tokio::time::timeout(SOON, ended.notified()).await.expect("its future is dropped");
    let dead = bench.the_dead().await;
    assert_eq!((&*dead.failure.code, &*dead.failure.message), ("timeout", "not done within 50ms"));
    worker.stop().await;
    bench.check().await;
}

/// The same kind as [`Work`], of another shape.
#[derive(Debug, Serialize, Deserialize, Job)]
#[job(queue = "main", kind = "work")]
struct Misshapen {
    n: String,
}

#[tokio::test]
async fn arguments_that_cannot_be_read_are_dead_at_once() {
    let bench = Bench::new();
    bench.enqueue(&[new(&Misshapen { n: "many".into() }, JobOptions::default())]).await;
    let worker = bench.start(&handlers(|_, _| async { Ok(Done) }), &config());
    let dead = bench.the_dead().await;
    assert_eq!((&*dead.failure.code, dead.attempts, &*dead.payload), ("undecodable", 1, r#"{"n":"many"}"#));
    assert!(dead.failure.message.contains("work"), "{}", dead.failure.message);
    worker.stop().await;
    bench.check().await;
}

/// [`Work`] as a later program has it.
#[derive(Debug, Serialize, Deserialize, Job)]
#[job(queue = "main", kind = "work", version = 2)]
struct WorkToCome {
    n: u32,
}

/// A kind that not every program knows.
#[derive(Debug, Serialize, Deserialize, Job)]
#[job(queue = "main")]
struct Novel;

#[tokio::test]
async fn what_a_worker_does_not_know_it_leaves_to_one_that_does() {
    let bench = Bench::new();
    let once = || JobOptions::default().max_attempts(1);
    let jobs = [new(&WorkToCome { n: 1 }, once()), new(&Novel, once()), new(&Work { n: 2 }, once())];
    bench.enqueue(&jobs).await;
    let old = bench.start(&handlers(|_, _| async { Ok(Done) }), &config());
    // It does what it knows, and gives back what it does not, time and again.
    let given_back = |stats: &millgate_jobs::QueueStats| {
        stats.kinds["work"].handed_back >= 2 && stats.kinds["novel"].handed_back >= 2 && stats.done() == 1
    };
    bench.until("the old worker gives up", given_back).await;
    let (sender, mut calls) = seen();
    let mut handlers = Handlers::default();
    let work = sender.clone();
    handlers.add::<WorkToCome>(move |_, ctx: Ctx| {
        let _ = work.send(("work", ctx.attempt));
        async { Ok(Done) }
    });
    handlers.add::<Novel>(move |_, ctx: Ctx| {
        let _ = sender.send(("novel", ctx.attempt));
        async { Ok(Done) }
    });
    let new = bench.start(&handlers, &config());
    // Which of the two is given a job is luck while both are there, and each time it waits for longer.
    old.stop().await;
    let mut done = [next(&mut calls).await, next(&mut calls).await];
    done.sort_unstable();
    assert_eq!(done, [("novel", 1), ("work", 1)], "handing back spends no attempt");
    bench.until("all are done", |stats| stats.done() == 3).await;
    new.stop().await;
    assert_eq!(bench.check().await.dead(), 0);
}

#[tokio::test]
async fn a_run_whose_lease_is_lost_ends() {
    let bench = Bench::new();
    bench.enqueue(&[new(&Work { n: 1 }, JobOptions::default())]).await;
    let proxy = Proxy::to(&bench.space.address());
    let timeout = Duration::from_secs(1);
    let way = RedisConfig { response_timeout: timeout, ..bench.space.config_at(&proxy.address()) };
    let short = WorkerConfig { lease: Duration::from_secs(1), ..config() };
    let (sender, mut calls) = seen();
    let pending = handlers(move |_, ctx: Ctx| {
        let _ = sender.send(ctx);
        std::future::pending()
    });
    let first = Running::start(&Queues::new(&way).unwrap(), &pending, &short, State::new());
    let ctx = next(&mut calls).await;
    proxy.cut();
    let second = bench.start(&handlers(|_, _| async { Ok(Done) }), &short);
    bench.until("the other does it", |stats| stats.done() == 1).await;
    proxy.restore();
    tokio::time::timeout(SOON, ctx.cancelled.cancelled()).await.expect("the first is told");
    first.stop().await;
    second.stop().await;
    assert_eq!(bench.check().await.kinds["work"].rescued, 1);
}

#[derive(Debug, Serialize, Deserialize, Job)]
#[job(queue = "side")]
struct Aside;

#[tokio::test]
async fn a_worker_takes_from_the_queues_it_was_told() {
    let bench = Bench::new();
    let mut handlers = handlers(|_, _| async { Ok(Done) });
    handlers.add::<Aside>(|_, _| async { Ok(Done) });
    let both = [new(&Work { n: 1 }, JobOptions::default()), new(&Aside, JobOptions::default())];
    bench.enqueue(&both).await;
    let side = bench.queues.queue(Aside::QUEUE);
    let only = bench.start(&handlers, &WorkerConfig { queues: vec!["side".into()], ..config() });
    wait_until("the side is done", SOON, async || side.stats().await.unwrap().done() == 1).await;
    only.stop().await;
    assert_eq!(bench.check().await.waiting, 1);
    let all = bench.start(&handlers, &config());
    bench.until("the rest is done", |stats| stats.done() == 1).await;
    all.stop().await;

    let start = |config: &WorkerConfig, handlers: &Handlers| {
        Worker::start(config, &bench.queues, Arc::new(handlers.clone()), State::new()).err().unwrap()
    };
    let unknown = start(&WorkerConfig { queues: vec!["sied".into()], ..config() }, &handlers);
    assert_eq!(unknown.to_string(), "no handler works on queue `sied`; there are: main, side");
    assert!(matches!(start(&config(), &Handlers::default()), WorkerError::NoQueues));
}

#[tokio::test]
async fn no_more_than_so_many_run_at_a_time() {
    let bench = Bench::new();
    let jobs: Vec<_> = (0..40).map(|n| new(&Work { n }, JobOptions::default())).collect();
    bench.enqueue(&jobs).await;
    let (now, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let highest = most.clone();
    let handlers = handlers(move |_, _| {
        let (now, most) = (now.clone(), most.clone());
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(5)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok(Done)
        }
    });
    let worker = bench.start(&handlers, &WorkerConfig { concurrency: 4, ..config() });
    bench.until("all are done", |stats| stats.done() == 40).await;
    worker.stop().await;
    assert_eq!(highest.load(Ordering::SeqCst), 4);
    bench.check().await;
}
