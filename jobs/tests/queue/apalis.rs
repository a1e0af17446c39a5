//! What stock apalis-redis 1.0 fails at, and the test that shows ours does not.
//!
//! | | failing | test |
//! |---|---|---|
//! | 1 | a backlog of 8,000 due jobs bricks the queue | `crowds::a_backlog_that_comes_due_at_once_is_done`, `order::twenty_thousand_that_come_due_at_once_all_run` |
//! | 2, 3 | storages that start none of 1,000 jobs unless they poll | [`a_thousand_start_by_themselves`] |
//! | 4 | a Redis that stalls for longer than the poll interval loses the wake-up | [`a_stall_loses_no_wake_up`] |
//! | 5 | a pause of 600 ms kills the worker | [`pauses_harm_nothing`] |
//! | 6 | each job costs O(n) at a depth of 50,000 | `crowds::a_job_costs_the_same_at_any_depth` |
//! | 7 | no heartbeats and no acks while the fetch buffer is full; jobs run twice | [`leases_are_kept_and_results_written_while_more_wait_than_fit`] |
//! | 8 | ids do not dedupe with the default time | `entering::an_id_gets_in_once_and_the_first_job_of_it_stays` |
//! | 9 | `max_attempts` is ignored, a retry comes early | `verdicts::after_its_last_attempt_a_job_is_dead_with_its_story`, `verdicts::a_retry_waits_for_its_pause` |
//! | 10 | timeouts and panics kill the job at once | `a_panic_is_a_failure_like_any_other` and `a_run_that_takes_too_long_is_ended` in `workers/tests/worker/running.rs` |
//! | 11 | an undecodable payload kills each worker in turn | `verdicts::what_cannot_be_read_is_dead_and_holds_nothing_up` |
//! | 12 | vacuum deletes failed jobs that wait for a retry | [`pruning_leaves_what_is_to_be_retried`] |
//! | 13 | done and dead jobs are never trimmed | `keeping` |
//! | 14 | a worker that starts again under its name fails | [`a_worker_starts_again_under_its_name_at_once`] |
//! | 15 | delays end up to 0.9 s early, no order within a second | `order::none_of_many_is_a_millisecond_early_and_those_of_one_moment_keep_their_order` |
//! | 16 | an idle worker storms Redis | `crowds::an_idle_worker_is_quiet` |
//! | 17 | keys that are not declared, so no cluster | `cluster::queues_spread_over_the_shards` |
//! | 19 | a crash does not count as an attempt | `leases::a_job_that_kills_its_worker_each_time_is_dead_in_the_end` |
//! | 20 | closing drops a fetch on its way | `stopping::a_claim_that_is_on_its_way_is_waited_for_and_its_jobs_go_back_at_once` |

use std::time::{Duration, Instant};

use millgate_jobs::{JobOptions, Limits, Verdict};
use millgate_testkit::RedisServer;

use crate::{
    bench::{Bench, job, jobs},
    worker::{Run, Settings},
};

#[tokio::test]
async fn a_thousand_start_by_themselves() {
    let bench = Bench::new();
    bench.queue.enqueue(&jobs(500)).await.unwrap();
    let mut worker = bench.worker(Settings::concurrency(1_000));
    let mut runs = Vec::new();
    for _ in 0..500 {
        runs.push(worker.next().await);
    }
    // And where a worker was there before the jobs.
    let one_by_one: Vec<_> = (500..1_000).map(|n| job(n, JobOptions::default().index("n", n))).collect();
    bench.queue.enqueue(&one_by_one).await.unwrap();
    for _ in 0..500 {
        runs.push(worker.next().await);
    }
    runs.into_iter().for_each(Run::done);
    worker.stop().await;
    assert_eq!(bench.check().await.done(), 1_000);
}

#[tokio::test]
async fn a_stall_loses_no_wake_up() {
    let server = RedisServer::start().await;
    let bench = Bench::on(&server);
    let mut worker = bench.worker(Settings::ONE);
    for n in 0..2 {
        bench.queue.enqueue(&jobs(1)).await.unwrap();
        worker.next().await.done();
        bench.until("it is done", |stats| stats.done() == n + 1).await;
        // Longer than an idle worker sleeps.
        server.freeze();
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        server.thaw();
    }
    let mut fastest = Duration::MAX;
    for n in 0..5 {
        let entered = Instant::now();
        bench.queue.enqueue(&jobs(1)).await.unwrap();
        worker.next().await.done();
        fastest = fastest.min(entered.elapsed());
        bench.until("it is done", |stats| stats.done() == n + 3).await;
    }
    worker.stop().await;
    assert!(fastest < Duration::from_millis(500), "it only looks now and then: {fastest:?}");
    bench.check().await;
}

#[tokio::test]
async fn pauses_harm_nothing() {
    let server = RedisServer::start().await;
    let bench = Bench::on(&server);
    bench.queue.enqueue(&jobs(2_000)).await.unwrap();
    let settings = Settings { concurrency: 10, lease: Duration::from_secs(8) };
    let worker = bench.worker(settings).answer_all(|_| {
        std::thread::sleep(Duration::from_millis(1));
        Verdict::Done
    });
    for _ in 0..3 {
        let done = bench.stats().await.done();
        server.freeze();
        tokio::time::sleep(Duration::from_millis(600)).await;
        server.thaw();
        bench.until("it goes on", |stats| stats.done() > done || stats.done() == 2_000).await;
    }
    bench.until("all are done", |stats| stats.done() == 2_000).await;
    worker.stop().await;
    let work = &bench.check().await.kinds["work"];
    assert_eq!((work.rescued, work.late), (0, 0));
}

#[tokio::test]
async fn leases_are_kept_and_results_written_while_more_wait_than_fit() {
    let bench = Bench::new();
    let lease = Duration::from_secs(1);
    bench.queue.enqueue(&jobs(60)).await.unwrap();
    let mut worker = bench.worker(Settings { concurrency: 3, lease });
    let mut runs = [worker.next().await, worker.next().await, worker.next().await];
    bench.pass(lease * 5 / 2).await;
    assert!(worker.begun().is_none(), "it has no more than it can run");
    let mut other = bench.worker(Settings { concurrency: 3, lease });
    for done in 1..=54 {
        let place = done % 3;
        let next = if done % 2 == 0 { worker.begun() } else { other.begun() };
        let next = if let Some(next) = next {
            next
        } else {
            tokio::select! { run = worker.next() => run, run = other.next() => run }
        };
        std::mem::replace(&mut runs[place], next).done();
    }
    runs.into_iter().for_each(Run::done);
    let (worker, other) = (worker.answer_all(|_| Verdict::Done), other.answer_all(|_| Verdict::Done));
    bench.until("all are done", |stats| stats.done() == 60).await;
    worker.stop().await;
    other.stop().await;
    let work = &bench.check().await.kinds["work"];
    assert_eq!((work.rescued, work.late), (0, 0));
}

#[tokio::test]
async fn pruning_leaves_what_is_to_be_retried() {
    let bench = Bench::new();
    let policy = Limits { dead_keep: Some(0), dead_keep_for: Some(Duration::from_millis(1)), ..Limits::default() };
    bench.queue.limit(&policy).await.unwrap();
    bench.queue.enqueue(&jobs(1)).await.unwrap();
    let mut worker = bench.worker(Settings::ONE);
    worker.next().await.fail(Duration::from_hours(24));
    bench.until("it is put off", |stats| stats.delayed == 1).await;
    bench.skip(Duration::from_hours(23)).await;
    assert_eq!(bench.queue.prune_dead(true).await.unwrap(), (0, 0));
    bench.skip(Duration::from_hours(1)).await;
    worker.next().await.done();
    worker.stop().await;
    assert_eq!(bench.check().await.done(), 1);
}

/// All workers of these tests have one name.
#[tokio::test]
async fn a_worker_starts_again_under_its_name_at_once() {
    let bench = Bench::new();
    for n in 0..3 {
        let mut worker = bench.worker(Settings::ONE);
        bench.queue.enqueue(&jobs(1)).await.unwrap();
        worker.next().await.done();
        bench.until("it is done", |stats| stats.done() == n + 1).await;
        worker.kill();
    }
    // And beside another of its name.
    let two = [(); 2].map(|()| bench.worker(Settings::ONE).answer_all(|_| Verdict::Done));
    bench.queue.enqueue(&jobs(20)).await.unwrap();
    bench.until("all are done", |stats| stats.done() == 23).await;
    for worker in two {
        worker.stop().await;
    }
    bench.check().await;
}
