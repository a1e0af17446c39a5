//! Which job runs when.

use std::time::{Duration, Instant};

use chrono::DateTime;
use millgate_jobs::{JobOptions, NewJob, Verdict, delay, priority};
use millgate_testkit::wait_until;

use crate::{
    bench::{Bench, SOON, Work, job, jobs},
    worker::{Run, Settings},
};

async fn next_numbers(bench: &Bench, count: usize) -> Vec<usize> {
    let mut worker = bench.worker(Settings::ONE);
    let mut numbers = Vec::new();
    for _ in 0..count {
        let run = worker.next().await;
        numbers.push(run.n());
        run.done();
    }
    worker.stop().await;
    numbers
}

#[tokio::test]
async fn first_in_first_out() {
    let bench = Bench::new();
    // In several calls, whose jobs have ids in another order: it is the sequence that counts.
    let all: Vec<_> = jobs(60).into_iter().enumerate().map(|(n, job)| job.with_id(format!("{:03}", 60 - n))).collect();
    for some in all.chunks(17) {
        bench.queue.enqueue(some).await.unwrap();
    }
    assert_eq!(next_numbers(&bench, 60).await, (0..60).collect::<Vec<_>>());
    bench.check().await;
}

#[tokio::test]
async fn a_lower_number_runs_first_and_keeps_the_order_within() {
    let bench = Bench::new();
    let ranks = [9, 5, 0, 5, 9, 0, 1];
    let all: Vec<_> = ranks.iter().enumerate().map(|(n, rank)| job(n, priority(*rank))).collect();
    bench.queue.enqueue(&all).await.unwrap();
    assert_eq!(next_numbers(&bench, ranks.len()).await, [2, 5, 6, 1, 3, 0, 4]);
    bench.check().await;
}

#[tokio::test]
async fn a_delayed_job_is_never_early_and_an_idle_worker_not_late() {
    let bench = Bench::new();
    let mut worker = bench.worker(Settings::ONE);
    // The worker naps until the first is due; the second comes while it naps, and is due before.
    for (n, after) in [(1, 700), (2, 250)] {
        let now = DateTime::from_timestamp_millis(bench.redis().now().await).unwrap();
        let job = NewJob::new(&Work { n }, delay(Duration::from_millis(after)), now).unwrap();
        bench.queue.enqueue(&[job]).await.unwrap();
    }
    for (n, after) in [(2, 250), (1, 700)] {
        let run = worker.next().await;
        let started = bench.redis().now().await;
        assert_eq!(run.n(), n);
        let due = run.job.time.timestamp_millis() + after;
        assert!(started >= due, "early by {} ms", due - started);
        assert!(started < due + 5_000, "late by {} ms", started - due);
        run.done();
    }
    worker.stop().await;
    bench.check().await;
}

#[tokio::test]
async fn none_of_many_is_a_millisecond_early_and_those_of_one_moment_keep_their_order() {
    let bench = Bench::new();
    let mut worker = bench.worker(Settings::concurrency(500));
    let start = bench.queue.now().await.unwrap();
    // Two hundred moments, and two jobs in each.
    let due = |n: usize| start + Duration::from_millis(200 + (n % 200) as u64 * 7 / 2);
    let all: Vec<_> =
        (0..400).map(|n| NewJob::of(&Work { n }, JobOptions::default().run_at(due(n))).unwrap()).collect();
    bench.queue.enqueue(&all).await.unwrap();
    let (mut runs, mut begun) = (Vec::new(), Vec::new());
    for _ in 0..400 {
        let run = worker.next().await;
        // When it was claimed, by the clock of Redis.
        begun.push((run.n(), bench.view(run.key()).await.unwrap().at.unwrap()));
        runs.push(run);
    }
    for (n, at) in &begun {
        assert!(at.timestamp_millis() >= due(*n).timestamp_millis(), "{n} is early by {}", due(*n) - at);
    }
    for moment in 0..200 {
        let place = |n| begun.iter().position(|(other, _)| *other == n);
        assert!(place(moment) < place(moment + 200));
    }
    runs.into_iter().for_each(Run::done);
    worker.stop().await;
    bench.check().await;
}

#[tokio::test]
async fn a_delay_that_has_passed_is_none() {
    let bench = Bench::new();
    // The event is years old: it waited on a topic, say. Its delay counts from the event.
    bench.queue.enqueue(&[job(1, delay(Duration::from_hours(1)))]).await.unwrap();
    let stats = bench.check().await;
    assert_eq!((stats.waiting, stats.delayed), (1, 0));
}

#[tokio::test]
async fn an_idle_worker_is_woken() {
    let bench = Bench::new();
    let mut worker = bench.worker(Settings::ONE);
    let mut fastest = Duration::MAX;
    for n in 0..5 {
        let entered = Instant::now();
        bench.queue.enqueue(&[job(n, JobOptions::default())]).await.unwrap();
        worker.next().await.done();
        fastest = fastest.min(entered.elapsed());
        bench.until("it is done", |stats| stats.done() == n as u64 + 1).await;
    }
    worker.stop().await;
    // Its nap is a second: were it not woken, every job but the first would wait for most of one.
    assert!(fastest < Duration::from_millis(500), "{fastest:?}");
    bench.check().await;
}

/// The worker has free places, and naps: the end of a job has to wake it for what that lets go on.
#[tokio::test]
async fn what_waited_for_another_job_starts_at_its_end() {
    let bench = Bench::new();
    let mut worker = bench.worker(Settings::concurrency(9));
    let started = Instant::now();
    let new = |n| job(n, JobOptions::default());
    let lane: Vec<_> = (0..4).map(|n| job(n, JobOptions::default().ordered_by("lane"))).collect();
    bench.queue.enqueue(&lane).await.unwrap();
    for n in 0..4 {
        let run = worker.next().await;
        assert_eq!(run.n(), n);
        run.done();
    }
    bench.enter(new(4).then(new(5)).then(new(6))).await;
    bench.queue.enqueue_batch(vec![new(7)], &new(8)).await.unwrap();
    for _ in 4..9 {
        worker.next().await.done();
    }
    // It would have slept for two seconds six times over.
    assert!(started.elapsed() < Duration::from_secs(11), "{:?}", started.elapsed());
    worker.stop().await;
    assert_eq!(bench.check().await.done(), 9);
}

#[tokio::test]
async fn twenty_thousand_that_come_due_at_once_all_run() {
    let bench = Bench::new();
    let century = Duration::from_hours(24 * 36_500);
    let all: Vec<_> = (0..20_000).map(|n| job(n, delay(century))).collect();
    bench.queue.enqueue(&all).await.unwrap();
    assert_eq!(bench.stats().await.delayed, 20_000);
    // The century passes.
    let delayed = bench.key("delayed");
    let passed: usize = bench.redis().command(&["ZUNIONSTORE", &delayed, "1", &delayed, "WEIGHTS", "0"]).await;
    assert_eq!(passed, 20_000);
    let worker = bench.worker(Settings::concurrency(100)).answer_all(|_| Verdict::Done);
    wait_until("all are done", SOON * 3, async || bench.stats().await.done() == 20_000).await;
    worker.stop().await;
    let stats = bench.check().await;
    assert_eq!((stats.enqueued(), stats.kinds["work"].rescued, stats.delayed), (20_000, 0, 0));
}

#[tokio::test]
async fn what_nobody_here_knows_goes_to_the_end_of_the_line() {
    let bench = Bench::new();
    bench.queue.enqueue(&jobs(3)).await.unwrap();
    let mut worker = bench.worker(Settings::ONE);
    let unknown = worker.next().await;
    assert_eq!(unknown.n(), 0);
    unknown.end(Verdict::HandBack { after: Duration::from_millis(20) });
    let next = worker.next().await;
    assert_eq!(next.n(), 1);
    // It is due again, and older than the third; a crowd of its like would keep all others from running.
    bench.pass(Duration::from_millis(100)).await;
    next.done();
    let third = worker.next().await;
    assert_eq!(third.n(), 2);
    third.done();
    let again = worker.next().await;
    assert_eq!((again.n(), again.job.attempt), (0, 1));
    again.done();
    worker.stop().await;
    assert_eq!(bench.check().await.done(), 3);
}
