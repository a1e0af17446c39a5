//! Chains: each job is enqueued when the one before it is done.

use std::time::Duration;

use millgate_jobs::{Acted, Failure, JobOptions, Limits, NewJob, Verdict};

use crate::{
    bench::{Bench, Work, job},
    worker::Settings,
};

const MINUTE: Duration = Duration::from_mins(1);

/// 1, then 2, then 3; the second has options of its own.
fn chain() -> NewJob {
    let second = NewJob::of(&Work { n: 2 }, JobOptions::default().delay(MINUTE).index("step", "two")).unwrap();
    job(1, JobOptions::default()).then(second).then(job(3, JobOptions::default().max_attempts(9)))
}

#[tokio::test]
async fn each_comes_when_the_one_before_is_done() {
    let bench = Bench::new();
    bench.enter(chain()).await;
    assert_eq!(bench.stats().await.enqueued(), 1);
    let mut worker = bench.worker(Settings::concurrency(5));
    let run = worker.next().await;
    assert_eq!(run.n(), 1);
    run.fail(Duration::ZERO);
    let run = worker.next().await;
    assert_eq!((run.n(), run.job.attempt, bench.stats().await.enqueued()), (1, 2, 1));
    run.done();
    bench.until("the second is there, and delayed", |stats| stats.delayed == 1).await;
    let second = bench.queue.find("step", "two", None, 2).await.unwrap();
    assert_eq!(second.len(), 1);
    bench.skip(MINUTE).await;
    let run = worker.next().await;
    assert_eq!((run.n(), run.key()), (2, second[0]));
    run.done();
    let run = worker.next().await;
    assert_eq!((run.n(), run.job.max_attempts), (3, 9));
    run.done();
    worker.stop().await;
    let stats = bench.check().await;
    assert_eq!((stats.enqueued(), stats.done()), (3, 3));
}

#[tokio::test]
async fn links_may_be_tied_in_any_order() {
    let bench = Bench::new();
    let new = |n| job(n, JobOptions::default());
    bench.enter(new(1).then(new(2).then(new(3))).then(new(4))).await;
    let mut worker = bench.worker(Settings::ONE);
    for n in 1..=4 {
        let run = worker.next().await;
        assert_eq!(run.n(), n);
        run.done();
    }
    worker.stop().await;
    bench.check().await;
}

#[tokio::test]
async fn a_dead_link_stops_the_chain_until_it_runs_again() {
    let bench = Bench::new();
    bench.enter(chain()).await;
    let mut worker = bench.worker(Settings::ONE);
    let run = worker.next().await;
    let key = run.key();
    run.end(Verdict::Dead { failure: Failure::new("x", "y") });
    bench.until("it is dead", |stats| stats.dead() == 1).await;
    assert_eq!(bench.stats().await.enqueued(), 1);
    assert_eq!(bench.queue.reschedule(&[key], None).await.unwrap(), [Acted::Well]);
    worker.next().await.done();
    bench.until("the second is there", |stats| stats.delayed == 1).await;
    bench.skip(MINUTE).await;
    for n in [2, 3] {
        let run = worker.next().await;
        assert_eq!(run.n(), n);
        run.done();
    }
    worker.stop().await;
    bench.check().await;
}

#[tokio::test]
async fn a_cancelled_link_ends_the_chain() {
    let bench = Bench::new();
    bench.enter(chain()).await;
    let mut worker = bench.worker(Settings::ONE);
    worker.next().await.end(Verdict::Cancel { reason: "not wanted".into() });
    worker.stop().await;
    let stats = bench.check().await;
    assert_eq!((stats.enqueued(), stats.cancelled()), (1, 1));
}

#[tokio::test]
async fn a_chain_survives_its_workers_and_is_kept_when_done() {
    let bench = Bench::new();
    bench.queue.limit(&Limits { keep_done: Some(10), ..Limits::default() }).await.unwrap();
    let new = |n| job(n, JobOptions::default());
    bench.enter(new(1).then(new(2))).await;
    let short = Settings::lease(Duration::from_millis(300));
    let mut first = bench.worker(short);
    assert_eq!(first.next().await.n(), 1);
    first.kill();
    let mut second = bench.worker(short);
    let run = second.next().await;
    assert_eq!((run.n(), run.job.attempt), (1, 2));
    run.done();
    assert_eq!(second.next().await.n(), 2);
    second.kill();
    let mut third = bench.worker(Settings::ONE);
    let run = third.next().await;
    assert_eq!((run.n(), run.job.attempt), (2, 2));
    run.done();
    third.stop().await;
    let stats = bench.check().await;
    assert_eq!((stats.done(), stats.kept), (2, 2));
}
