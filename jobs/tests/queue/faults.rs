//! A Redis that stands still, dies, or forgets its scripts, in the middle of work.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use millgate_jobs::{JobOptions, QueueStats, Verdict};
use millgate_testkit::{Proxy, RedisServer};

use crate::{
    bench::{Bench, job, jobs},
    worker::{Settings, Worker},
};

pub(crate) const JOBS: u64 = 500;

/// How often each job ran.
#[derive(Clone, Default)]
pub(crate) struct Runs(Arc<Mutex<HashMap<String, u32>>>);

impl Runs {
    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub(crate) fn repeated(&self) -> usize {
        self.0.lock().unwrap().values().filter(|runs| **runs > 1).count()
    }
}

/// Two workers that take a while for each job.
pub(crate) fn workers(bench: &Bench, lease: Duration) -> ([Worker; 2], Runs) {
    let runs = Runs::default();
    let worker = || {
        let runs = runs.clone();
        bench.worker(Settings { concurrency: 10, lease }).answer_all(move |job| {
            *runs.0.lock().unwrap().entry(job.id.clone()).or_default() += 1;
            std::thread::sleep(Duration::from_millis(2));
            Verdict::Done
        })
    };
    ([worker(), worker()], runs)
}

pub(crate) async fn all_done(bench: &Bench, workers: [Worker; 2], runs: &Runs) -> QueueStats {
    bench.until("all are done", |stats| stats.done() == JOBS).await;
    for worker in workers {
        worker.stop().await;
    }
    assert_eq!(runs.count() as u64, JOBS);
    let stats = bench.check().await;
    assert_eq!((stats.enqueued(), stats.dead(), stats.active), (JOBS, 0, 0));
    stats
}

async fn begin(server: &RedisServer, lease: Duration) -> (Bench, [Worker; 2], Runs) {
    let bench = Bench::on(server);
    bench.queue.enqueue(&jobs(500)).await.unwrap();
    server.synced().await;
    let (workers, runs) = workers(&bench, lease);
    bench.until("some are done", |stats| stats.done() > JOBS / 10).await;
    (bench, workers, runs)
}

#[tokio::test]
async fn a_redis_that_stands_still_is_waited_for() {
    let server = RedisServer::start().await;
    let (bench, workers, runs) = begin(&server, Duration::from_secs(10)).await;
    server.freeze();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(runs.count() < 500, "it was too late to disturb anything");
    server.thaw();
    let stats = all_done(&bench, workers, &runs).await;
    // No lease ended, so nothing ran twice.
    assert_eq!((runs.repeated(), stats.kinds["work"].rescued), (0, 0));
}

#[tokio::test]
async fn a_redis_that_stands_still_for_longer_than_the_lease_costs_repetitions_only() {
    let server = RedisServer::start().await;
    let (bench, workers, runs) = begin(&server, Duration::from_secs(1)).await;
    server.freeze();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(runs.count() < 500, "it was too late to disturb anything");
    server.thaw();
    all_done(&bench, workers, &runs).await;
}

#[tokio::test]
async fn a_redis_that_is_killed_and_comes_back_has_lost_nothing() {
    let server = RedisServer::start().await;
    let (bench, workers, runs) = begin(&server, Duration::from_secs(2)).await;
    server.kill9();
    assert!(runs.count() < 500, "it was too late to disturb anything");
    server.restart().await;
    all_done(&bench, workers, &runs).await;
}

#[tokio::test]
async fn a_redis_that_is_away_at_the_start_is_waited_for() {
    let server = RedisServer::start_later();
    let bench = Bench::on(&server);
    let (workers, runs) = workers(&bench, Duration::from_secs(10));
    let refused = bench.queue.enqueue(&jobs(1)).await.unwrap_err();
    assert!(refused.is_transient(), "{refused}");
    server.restart().await;
    bench.until("it answers", |_| true).await;
    bench.queue.enqueue(&jobs(500)).await.unwrap();
    all_done(&bench, workers, &runs).await;
    assert_eq!(runs.repeated(), 0);
}

#[tokio::test]
async fn forgotten_scripts_are_sent_again() {
    let server = RedisServer::start().await;
    let (bench, workers, runs) = begin(&server, Duration::from_secs(10)).await;
    for _ in 0..5 {
        let done = bench.stats().await.done();
        server.command::<()>(&["SCRIPT", "FLUSH"]).await;
        bench.until("it goes on", |stats| stats.done() > done || stats.done() == JOBS).await;
    }
    let stats = all_done(&bench, workers, &runs).await;
    assert_eq!((runs.repeated(), stats.kinds["work"].rescued), (0, 0));
}

/// A firewall that forgets connections tells nobody. Nor does TCP, for a quarter of an hour.
#[tokio::test]
async fn connections_that_have_gone_silent_are_replaced() {
    let bench = Bench::new();
    let proxy = Proxy::to(&bench.redis().address());
    let settings = Settings { concurrency: 10, lease: Duration::from_secs(2) };
    let worker = bench.worker_at(&proxy.address(), settings).answer_all(|_| Verdict::Done);
    bench.queue.enqueue(&jobs(10)).await.unwrap();
    bench.until("the first are done", |stats| stats.done() == 10).await;
    proxy.strand();
    let more: Vec<_> = (10..20).map(|n| job(n, JobOptions::default())).collect();
    bench.queue.enqueue(&more).await.unwrap();
    bench.until("the others are done", |stats| stats.done() == 20).await;
    worker.stop().await;
    bench.check().await;
}
