//! While Redis is away no lease can be renewed: afterwards those who live keep their jobs, and those who died do not.

use std::time::{Duration, Instant};

use millgate_jobs::{JobOptions, Verdict};
use millgate_testkit::{RedisServer, wait_until};

use crate::{
    bench::{Bench, SOON, job, jobs},
    worker::{Run, Settings, Worker},
};

/// That of a worker by default.
const DEFAULT: Duration = Duration::from_secs(8);
const SHORT: Duration = Duration::from_secs(2);

/// Three workers, each with some jobs in hand: of one claim, and of one each.
async fn at_work(bench: &Bench, lease: Duration) -> (Vec<Worker>, Vec<Run>) {
    bench.queue.enqueue(&jobs(20)).await.unwrap();
    let single: Vec<_> = (20..30).map(|n| job(n, JobOptions::default().index("n", n))).collect();
    bench.queue.enqueue(&single).await.unwrap();
    let mut workers: Vec<_> = (0..3).map(|_| bench.worker(Settings { concurrency: 10, lease })).collect();
    let mut runs = Vec::new();
    for _ in 0..30 {
        runs.push(Worker::next_of(&mut workers).await);
    }
    (workers, runs)
}

/// What they have is still theirs, and counts.
async fn nothing_is_lost(bench: &Bench, mut workers: Vec<Worker>, runs: Vec<Run>) {
    assert!(workers.iter_mut().all(|worker| worker.begun().is_none()), "a job is begun again");
    assert!(runs.iter().all(|run| !run.job.lost.is_cancelled()), "a lease is lost");
    runs.into_iter().for_each(Run::done);
    bench.until("all are done", |stats| stats.done() == 30).await;
    for worker in workers {
        worker.stop().await;
    }
    let stats = bench.check().await;
    assert_eq!((stats.done(), stats.kinds["work"].rescued, stats.kinds["work"].late), (30, 0, 0));
}

#[tokio::test]
async fn five_seconds_of_silence_cost_nothing_under_the_default_lease() {
    let server = RedisServer::start().await;
    let bench = Bench::on(&server);
    let (workers, runs) = at_work(&bench, DEFAULT).await;
    server.freeze();
    tokio::time::sleep(Duration::from_secs(5)).await;
    server.thaw();
    // Past every lease that was not renewed.
    let end = server.now().await + 4_000;
    wait_until("leases pass", SOON, async || server.now().await > end).await;
    nothing_is_lost(&bench, workers, runs).await;
}

#[tokio::test]
async fn whoever_speaks_first_after_an_outage_longer_than_the_lease_the_others_keep_their_jobs() {
    let server = RedisServer::start().await;
    let bench = Bench::on(&server);
    let (workers, runs) = at_work(&bench, SHORT).await;
    server.synced().await;
    server.kill9();
    tokio::time::sleep(SHORT * 3 / 2).await;
    server.restart().await;
    let end = server.now().await + 2_500;
    wait_until("leases pass", SOON, async || server.now().await > end).await;
    nothing_is_lost(&bench, workers, runs).await;
}

#[tokio::test]
async fn a_renewal_that_comes_first_after_an_outage_costs_the_others_nothing() {
    let bench = Bench::new();
    let lease = Duration::from_mins(1);
    bench.queue.enqueue(&jobs(30)).await.unwrap();
    let (mut workers, mut runs) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        workers.push(bench.worker(Settings { concurrency: 10, lease }));
        for _ in 0..10 {
            runs.push(Worker::next_of(&mut workers).await);
        }
        // Each renews once a second, and they take turns.
        bench.pass(Duration::from_millis(300)).await;
    }
    let mut idle = bench.worker(Settings::lease(lease));
    // The clock passes the end of all leases. As soon as one is renewed, somebody asks for jobs.
    let beat = async || bench.redis().command::<String>(&["GET", &bench.key("beat")]).await;
    let before = bench.queue.now().await.unwrap() + lease;
    bench.jump(lease * 2);
    let spoken = async || beat().await.split(' ').next().unwrap().parse::<i64>().unwrap() > before.timestamp_millis();
    wait_until("somebody speaks", SOON, spoken).await;
    bench.queue.resume().await.unwrap();
    bench.pass(Duration::from_millis(2_500)).await;
    assert!(idle.begun().is_none());
    idle.stop().await;
    nothing_is_lost(&bench, workers, runs).await;
}

#[tokio::test]
async fn jobs_of_a_worker_that_died_in_the_outage_are_anothers() {
    let server = RedisServer::start().await;
    let bench = Bench::on(&server);
    bench.queue.enqueue(&jobs(10)).await.unwrap();
    let settings = |concurrency| Settings { concurrency, lease: SHORT };
    let mut dying = bench.worker(settings(5));
    let mut runs = Vec::new();
    for _ in 0..5 {
        runs.push(dying.next().await);
    }
    let mut living = bench.worker(settings(5));
    let mut kept = Vec::new();
    for _ in 0..5 {
        kept.push(living.next().await);
    }
    server.synced().await;
    server.kill9();
    dying.kill();
    tokio::time::sleep(SHORT * 3 / 2).await;
    server.restart().await;
    let third = bench.worker(settings(1)).answer_all(|_| Verdict::Done);
    bench.until("those of the dead are done", |stats| stats.done() == 5).await;
    kept.into_iter().for_each(Run::done);
    bench.until("all are done", |stats| stats.done() == 10).await;
    living.stop().await;
    third.stop().await;
    let stats = bench.check().await;
    assert_eq!((stats.kinds["work"].rescued, stats.kinds["work"].late), (5, 0));
}

#[tokio::test]
async fn a_killed_workers_jobs_are_anothers_within_ten_seconds_by_default() {
    let bench = Bench::new();
    bench.queue.enqueue(&jobs(3)).await.unwrap();
    let mut dying = bench.worker(Settings { concurrency: 3, lease: DEFAULT });
    for _ in 0..3 {
        // Its verdict never comes.
        drop(dying.next().await);
    }
    let other = bench.worker(Settings { concurrency: 3, lease: DEFAULT }).answer_all(|_| Verdict::Done);
    dying.kill();
    let killed = Instant::now();
    bench.until("they are done", |stats| stats.done() == 3).await;
    assert!(killed.elapsed() < Duration::from_secs(10), "{:?}", killed.elapsed());
    other.stop().await;
    bench.check().await;
}

#[tokio::test]
async fn a_job_that_takes_five_leases_runs_once() {
    let bench = Bench::new();
    let (workers, runs) = at_work(&bench, Duration::from_secs(1)).await;
    bench.pass(Duration::from_secs(5)).await;
    nothing_is_lost(&bench, workers, runs).await;
}
