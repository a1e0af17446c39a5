//! Leases: what happens when a worker dies, is silent, or takes long.

use std::time::Duration;

use millgate_jobs::{Failure, JobOptions, Verdict};
use millgate_testkit::{Proxy, wait_for};

use crate::{
    bench::{Bench, SOON, job, jobs},
    worker::{Run, Settings},
};

/// Short enough to wait for, long enough to be renewed in time on a busy machine.
const LEASE: Duration = Duration::from_secs(1);

/// A queue with one job in it.
async fn bench(options: JobOptions) -> Bench {
    let bench = Bench::new();
    bench.queue.enqueue(&[job(1, options)]).await.unwrap();
    bench
}

#[tokio::test]
async fn the_job_of_a_worker_that_died_is_anothers_after_the_lease() {
    let bench = bench(JobOptions::default()).await;
    let before = bench.redis().now().await;
    let mut first = bench.worker(Settings::lease(LEASE));
    let run = first.next().await;
    assert_eq!(run.job.attempt, 1);
    let mut second = bench.worker(Settings::lease(LEASE));
    first.kill();
    let run = second.next().await;
    let rescued = bench.redis().now().await;
    assert!(rescued - before >= 1_000, "taken within {} ms, before the lease was over", rescued - before);
    assert_eq!(run.job.attempt, 2, "the attempt is spent");
    run.done();
    second.stop().await;
    let stats = bench.check().await;
    assert_eq!((stats.done(), stats.kinds["work"].rescued), (1, 1));
}

#[tokio::test]
async fn a_job_that_kills_its_worker_each_time_is_dead_in_the_end() {
    let bench = bench(JobOptions::default().max_attempts(3)).await;
    for attempt in 1..=3 {
        let mut worker = bench.worker(Settings::lease(Duration::from_millis(300)));
        assert_eq!(worker.next().await.job.attempt, attempt);
        worker.kill();
    }
    // It takes a worker to notice.
    let mut worker = bench.worker(Settings::ONE);
    bench.until("it is dead", |stats| stats.dead() == 1).await;
    assert!(worker.begun().is_none());
    worker.stop().await;
    let dead = bench.queue.claim_dead(1, LEASE).await.unwrap().remove(0);
    assert_eq!((&*dead.failure.code, dead.attempts), ("lease_lost", 3));
    let stats = bench.check().await;
    assert_eq!((stats.kinds["work"].rescued, stats.unburied), (2, 1));
}

#[tokio::test]
async fn a_long_job_keeps_its_lease() {
    let bench = bench(JobOptions::default()).await;
    let mut worker = bench.worker(Settings::lease(LEASE));
    let mut other = bench.worker(Settings::lease(LEASE));
    // Whichever of the two has it: the other would get it if the lease ended.
    let run = tokio::select! {
        run = worker.next() => run,
        run = other.next() => run,
    };
    bench.pass(LEASE * 5 / 2).await;
    assert!(!run.job.lost.is_cancelled());
    assert!(worker.begun().is_none() && other.begun().is_none());
    run.done();
    worker.stop().await;
    other.stop().await;
    let stats = bench.check().await;
    assert_eq!((stats.done(), stats.kinds["work"].rescued, stats.kinds["work"].late), (1, 0, 0));
}

#[tokio::test]
async fn a_job_that_blocks_its_thread_keeps_its_lease() {
    let bench = bench(JobOptions::default()).await;
    // One thread runs all of the worker, and this keeps it busy.
    let worker = bench.worker(Settings::lease(LEASE)).answer_all(|_| {
        std::thread::sleep(LEASE * 5 / 2);
        Verdict::Done
    });
    bench.until("it runs", |stats| stats.active == 1).await;
    let mut other = bench.worker(Settings::lease(LEASE));
    bench.until("it is done", |stats| stats.done() == 1).await;
    assert!(other.begun().is_none());
    worker.stop().await;
    other.stop().await;
    assert_eq!(bench.check().await.kinds["work"].rescued, 0);
}

#[tokio::test]
async fn a_result_that_comes_after_the_lease_changes_nothing() {
    let bench = bench(JobOptions::default()).await;
    let proxy = Proxy::to(&bench.redis().address());
    let mut first = bench.worker_at(&proxy.address(), Settings::lease(LEASE));
    let late = first.next().await;
    // The worker lives, and Redis cannot hear it.
    proxy.cut();
    let mut second = bench.worker(Settings::ONE);
    let run = second.next().await;
    assert_eq!(run.job.attempt, 2);
    assert!(!late.job.lost.is_cancelled(), "it cannot know yet");
    proxy.restore();
    tokio::time::timeout(SOON, late.job.lost.cancelled()).await.expect("it is told");
    late.end(Verdict::Dead { failure: Failure::new("late", "of no interest") });
    bench.until("the late result is counted", |stats| stats.kinds["work"].late == 1).await;
    let stats = bench.stats().await;
    assert_eq!((stats.active, stats.dead()), (1, 0));
    run.done();
    first.stop().await;
    second.stop().await;
    let stats = bench.check().await;
    assert_eq!((stats.done(), stats.dead(), stats.kinds["work"].late), (1, 0, 1));
}

#[tokio::test]
async fn a_worker_that_gets_its_own_job_again_does_not_take_the_runs_for_each_other() {
    let bench = bench(JobOptions::default()).await;
    let lease = Duration::from_secs(6);
    let mut worker = bench.worker(Settings { concurrency: 2, lease });
    let first = worker.next().await;
    // The lease ends, as if Redis had been away for long, and the next claim finds the worker's own job. More than
    // once, because the worker may be about to renew it.
    let script = "if redis.call('EXISTS', KEYS[2]) == 0 then for _, token in \
        ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do redis.call('ZADD', KEYS[1], 0, token) end end return 1";
    let (leases, past) = (bench.key("leases"), bench.key("past"));
    let end_first_lease = ["EVAL", script, "2", &leases, &past];
    let second = wait_for("the job is begun again", SOON, async || {
        bench.redis().command::<usize>(&end_first_lease).await;
        worker.begun()
    })
    .await;
    assert_eq!((second.job.attempt, &second.job.id), (2, &first.job.id));
    tokio::time::timeout(SOON, first.job.lost.cancelled()).await.expect("the first run is told");
    assert!(!second.job.lost.is_cancelled());
    first.end(Verdict::Dead { failure: Failure::new("late", "of no interest") });
    bench.until("the late result is counted", |stats| stats.kinds["work"].late == 1).await;
    assert_eq!(bench.stats().await.active, 1);
    second.done();
    worker.stop().await;
    let stats = bench.check().await;
    assert_eq!((stats.done(), stats.dead(), stats.kinds["work"].rescued), (1, 0, 1));
}

#[tokio::test]
async fn many_leases_are_all_kept() {
    let bench = Bench::new();
    let count = 600;
    bench.queue.enqueue(&jobs(count)).await.unwrap();
    let mut worker = bench.worker(Settings { concurrency: count, lease: LEASE });
    let mut runs = Vec::new();
    for _ in 0..count {
        runs.push(worker.next().await);
    }
    let mut other = bench.worker(Settings::lease(LEASE));
    bench.pass(LEASE * 5 / 2).await;
    assert!(other.begun().is_none());
    runs.into_iter().for_each(Run::done);
    worker.stop().await;
    other.stop().await;
    let stats = bench.check().await;
    assert_eq!((stats.done(), stats.kinds["work"].rescued), (count as u64, 0));
}
