//! Stopping with jobs in hand.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use millgate_jobs::{JobOptions, Queues, RedisConfig};
use millgate_testkit::Proxy;
use millgate_workers::{Ctx, Done, Handlers, State, WorkerConfig};
use tokio::sync::{Notify, mpsc};

use crate::bench::{Bench, Running, SOON, Work, config, new};

/// A handler that says when it begins, and goes on when it is told; and the ends of both.
fn waiting() -> (Handlers, mpsc::UnboundedReceiver<u32>, Arc<Notify>) {
    let (sender, begun) = mpsc::unbounded_channel();
    let go_on = Arc::new(Notify::new());
    let told = go_on.clone();
    let mut handlers = Handlers::default();
    handlers.add::<Work>(move |_, ctx: Ctx| {
        let _ = sender.send(ctx.attempt);
        let told = told.clone();
        async move {
            told.notified().await;
            Ok(Done)
        }
    });
    (handlers, begun, go_on)
}

async fn next(begun: &mut mpsc::UnboundedReceiver<u32>) -> u32 {
    tokio::time::timeout(SOON, begun.recv()).await.expect("a handler is called").unwrap()
}

async fn bench() -> Bench {
    let bench = Bench::new();
    bench.enqueue(&[new(&Work { n: 1 }, JobOptions::default().max_attempts(1))]).await;
    bench
}

#[tokio::test]
async fn what_is_in_hand_is_finished() {
    let bench = bench().await;
    let (handlers, mut begun, go_on) = waiting();
    let worker = bench.start(&handlers, &config());
    next(&mut begun).await;
    let stopping = tokio::spawn(worker.stop());
    // It takes nothing new while it waits.
    bench.enqueue(&[new(&Work { n: 2 }, JobOptions::default())]).await;
    go_on.notify_one();
    stopping.await.unwrap();
    let stats = bench.check().await;
    assert_eq!((stats.done(), stats.waiting, stats.kinds["work"].handed_back), (1, 1, 0));
}

#[tokio::test]
async fn what_is_not_done_in_time_is_handed_back_and_anothers_at_once() {
    let bench = bench().await;
    let (handlers, mut begun, go_on) = waiting();
    let hasty = WorkerConfig { shutdown_timeout: Duration::from_millis(200), ..config() };
    let worker = bench.start(&handlers, &hasty);
    next(&mut begun).await;
    let asked = Instant::now();
    worker.stop().await;
    assert!(asked.elapsed() >= Duration::from_millis(200), "it did not wait");
    let stats = bench.check().await;
    assert_eq!((stats.waiting, stats.active, stats.kinds["work"].handed_back), (1, 0, 1));

    let worker = bench.start(&handlers, &config());
    assert_eq!(next(&mut begun).await, 1, "no attempt is spent");
    go_on.notify_one();
    bench.until("it is done", |stats| stats.done() == 1).await;
    worker.stop().await;
    bench.check().await;
}

#[tokio::test]
async fn a_redis_that_is_away_holds_nobody_up() {
    let bench = bench().await;
    let proxy = Proxy::to(&bench.space.address());
    let timeout = Duration::from_secs(1);
    let way = RedisConfig { response_timeout: timeout, ..bench.space.config_at(&proxy.address()) };
    let (handlers, mut begun, go_on) = waiting();
    let hasty = WorkerConfig { shutdown_timeout: timeout, lease: timeout, ..config() };
    let worker = Running::start(&Queues::new(&way).unwrap(), &handlers, &hasty, State::new());
    next(&mut begun).await;
    proxy.cut();
    worker.stop().await;
    // Nobody could be told; the lease says it.
    let stats = bench.check().await;
    assert_eq!((stats.active, stats.waiting), (1, 0));
    bench.enqueue(&[new(&Work { n: 2 }, JobOptions::default())]).await;
    let worker = bench.start(&handlers, &config());
    next(&mut begun).await;
    go_on.notify_one();
    bench.until("one is done, one dead", |stats| (stats.done(), stats.dead()) == (1, 1)).await;
    worker.stop().await;
    assert_eq!(bench.the_dead().await.failure.code, "lease_lost");
    bench.check().await;
}
