//! Unique keys: for how long they are held, and what becomes of another job with the key.

use std::time::Duration;

use millgate_jobs::{Acted, Enqueued, JobOptions, JobState, NewJob, Unique, delay, unique};

use crate::{
    bench::{Bench, Work, job},
    worker::Settings,
};

const KEY: &str = "order-7";
const MINUTE: Duration = Duration::from_mins(1);

/// A job with the key, about now.
fn new(n: usize, unique: Unique) -> NewJob {
    NewJob::of(&Work { n }, JobOptions::default().unique_by(unique)).unwrap()
}

fn first() -> Unique {
    Unique::key(KEY)
}

fn replacing() -> Unique {
    Unique::key(KEY).replacing()
}

#[tokio::test]
async fn held_until_done_the_first_stays_also_while_it_waits_for_a_retry() {
    let bench = Bench::new();
    let key = bench.enter(new(1, first())).await;
    let mut worker = bench.worker(Settings::ONE);
    worker.next().await.fail(MINUTE);
    bench.until("it is put off", |stats| stats.delayed == 1).await;
    assert_eq!(bench.queue.push(new(2, first())).await.unwrap(), Enqueued::Held(key));
    bench.skip(MINUTE).await;
    let run = worker.next().await;
    assert_eq!((run.n(), run.job.attempt), (1, 2));
    run.done();
    bench.until("it is done", |stats| stats.done() == 1).await;
    bench.enter(new(3, first())).await;
    worker.next().await.done();
    worker.stop().await;
    bench.check().await;
}

#[tokio::test]
async fn held_until_started_another_may_come_while_it_runs() {
    let bench = Bench::new();
    let key = bench.enter(new(1, first().until_started())).await;
    assert_eq!(bench.queue.push(new(2, first().until_started())).await.unwrap(), Enqueued::Held(key));
    let mut worker = bench.worker(Settings::concurrency(2));
    let run = worker.next().await;
    bench.enter(new(3, first().until_started())).await;
    // Not in order, nor one by one: that is not what was asked for.
    let other = worker.next().await;
    assert_eq!((run.n(), other.n()), (1, 3));
    run.fail(Duration::ZERO);
    let again = worker.next().await;
    assert_eq!(again.n(), 1);
    again.done();
    other.done();
    worker.stop().await;
    assert_eq!(bench.check().await.done(), 2);
}

#[tokio::test]
async fn held_until_started_the_newer_replaces_what_waits() {
    let bench = Bench::new();
    bench.enter(new(1, replacing().until_started())).await;
    bench.enter(new(2, replacing().until_started())).await;
    let mut worker = bench.worker(Settings::concurrency(2));
    let run = worker.next().await;
    assert_eq!(run.n(), 2);
    bench.enter(new(3, replacing().until_started())).await;
    assert_eq!(worker.next().await.n(), 3);
    drop(worker);
    assert_eq!(bench.check().await.cancelled(), 1);
}

#[tokio::test]
async fn held_for_a_window_whatever_becomes_of_the_job() {
    let bench = Bench::new();
    let window = || first().for_window(MINUTE);
    let key = bench.enter(new(1, window())).await;
    let mut worker = bench.worker(Settings::ONE);
    worker.next().await.done();
    bench.until("it is done", |stats| stats.done() == 1).await;
    assert_eq!(bench.queue.push(new(2, window())).await.unwrap(), Enqueued::Held(key));
    bench.skip(MINUTE).await;
    // The window is over, also while the job is still there.
    bench.enter(new(3, window())).await;
    let run = worker.next().await;
    bench.skip(MINUTE).await;
    bench.enter(new(4, window())).await;
    run.done();
    worker.next().await.done();
    worker.stop().await;
    bench.skip(MINUTE).await;
    // Whoever comes next cleans up.
    bench.enter(job(5, JobOptions::default())).await;
    for (command, part) in [("HLEN", "unique"), ("ZCARD", "seen")] {
        assert_eq!(bench.redis().command::<usize>(&[command, &bench.key(part)]).await, 0, "{part}");
    }
    assert_eq!(bench.check().await.done(), 3);
}

#[tokio::test]
async fn held_for_a_window_the_newer_replaces_what_waits_and_not_what_is_done() {
    let bench = Bench::new();
    let window = || replacing().for_window(MINUTE);
    bench.enter(new(1, window())).await;
    bench.skip(MINUTE / 2).await;
    let newer = bench.enter(new(2, window())).await;
    let mut worker = bench.worker(Settings::ONE);
    let run = worker.next().await;
    assert_eq!(run.n(), 2);
    run.done();
    bench.until("it is done", |stats| stats.done() == 1).await;
    // The window began anew with the newer one.
    bench.skip(MINUTE * 3 / 4).await;
    assert_eq!(bench.queue.push(new(3, window())).await.unwrap(), Enqueued::Held(newer));
    bench.skip(MINUTE / 4).await;
    bench.enter(new(4, window())).await;
    worker.next().await.done();
    worker.stop().await;
    assert_eq!(bench.check().await.cancelled(), 1);
}

#[tokio::test]
async fn a_debounced_job_is_pushed_back_and_has_the_newest_arguments() {
    let bench = Bench::new();
    let typed = |n| NewJob::of(&Work { n }, delay(MINUTE).unique_by(replacing())).unwrap();
    let mut worker = bench.worker(Settings::ONE);
    for n in 1..=5 {
        bench.enter(typed(n)).await;
        bench.skip(MINUTE / 2).await;
    }
    assert_eq!(bench.stats().await.delayed, 1);
    assert!(worker.begun().is_none());
    bench.skip(MINUTE / 2).await;
    let run = worker.next().await;
    assert_eq!(run.n(), 5);
    run.done();
    worker.stop().await;
    let stats = bench.check().await;
    assert_eq!((stats.done(), stats.cancelled()), (1, 4));
}

#[tokio::test]
async fn a_newer_one_waits_for_the_one_that_runs_and_its_retries() {
    let bench = Bench::new();
    bench.enter(new(1, replacing())).await;
    let mut worker = bench.worker(Settings::concurrency(4));
    let run = worker.next().await;
    let second = bench.enter(new(2, replacing())).await;
    assert_eq!(bench.state(second).await, Some(JobState::Held));
    let third = bench.enter(new(3, replacing())).await;
    assert_eq!((bench.state(second).await, bench.state(third).await), (None, Some(JobState::Held)));
    run.fail(MINUTE);
    bench.until("it is put off", |stats| stats.delayed == 1).await;
    assert!(worker.begun().is_none());
    bench.skip(MINUTE).await;
    let run = worker.next().await;
    assert_eq!((run.n(), run.job.attempt), (1, 2));
    run.done();
    let run = worker.next().await;
    assert_eq!(run.n(), 3);
    run.done();
    worker.stop().await;
    let stats = bench.check().await;
    assert_eq!((stats.done(), stats.cancelled(), stats.held), (2, 1, 0));
}

#[tokio::test]
async fn a_job_is_found_by_its_key_and_put_off_or_stopped_in_every_state() {
    let bench = Bench::new();
    let find = async || bench.queue.find_unique("work", KEY).await.unwrap();
    let hour = bench.queue.now().await.unwrap() + Duration::from_hours(1);
    assert_eq!(find().await, None);

    // Delayed, then waiting, then delayed again, and stopped.
    let key = bench.enter(NewJob::of(&Work { n: 1 }, delay(MINUTE).unique(KEY)).unwrap()).await;
    assert_eq!(find().await, Some(key));
    assert_eq!(bench.queue.reschedule(&[key], None).await.unwrap(), [Acted::Well]);
    assert_eq!(bench.state(key).await, Some(JobState::Waiting));
    assert_eq!(bench.queue.reschedule(&[key], Some(hour)).await.unwrap(), [Acted::Well]);
    let view = bench.view(key).await.unwrap();
    assert_eq!((view.state, view.at.unwrap().timestamp_millis()), (JobState::Delayed, hour.timestamp_millis()));
    assert_eq!(bench.queue.stop(&[key]).await.unwrap(), [Acted::Well]);
    assert_eq!((find().await, bench.state(key).await), (None, None));
    assert_eq!(bench.queue.stop(&[key]).await.unwrap(), [Acted::Gone]);
    assert_eq!(bench.queue.reschedule(&[key], None).await.unwrap(), [Acted::Gone]);

    // Waiting.
    let key = bench.enter(new(2, first())).await;
    assert_eq!(bench.queue.stop(&[key]).await.unwrap(), [Acted::Well]);
    bench.check().await;

    // Active, held, dead.
    bench.enter(job(3, unique(KEY).max_attempts(1).ordered_by("lane"))).await;
    let held = bench.enter(job(4, unique("other").ordered_by("lane"))).await;
    let mut worker = bench.worker(Settings::ONE);
    let run = worker.next().await;
    let key = find().await.unwrap();
    assert_eq!(
        bench.queue.reschedule(&[key, held], Some(hour)).await.unwrap(),
        [Acted::Not(JobState::Active), Acted::Well]
    );
    assert_eq!(bench.queue.reschedule(&[held], None).await.unwrap(), [Acted::Well]);
    assert_eq!(bench.state(held).await, Some(JobState::Held));
    assert_eq!(bench.queue.stop(&[held]).await.unwrap(), [Acted::Well]);
    run.fail(Duration::ZERO);
    bench.until("it is dead", |stats| stats.dead() == 1).await;
    assert_eq!(find().await, None, "a dead job holds no key");
    assert_eq!(bench.queue.stop(&[key]).await.unwrap(), [Acted::Not(JobState::Dead)]);
    // By what the queue calls it: it runs again, and has its key again.
    assert_eq!(bench.queue.reschedule(&[key], None).await.unwrap(), [Acted::Well]);
    let run = worker.next().await;
    assert_eq!((run.n(), run.job.attempt, find().await), (3, 1, Some(key)));
    run.done();
    worker.stop().await;
    let stats = bench.check().await;
    assert_eq!((stats.done(), stats.cancelled(), stats.kinds["work"].redriven), (1, 3, 1));
}

#[tokio::test]
async fn a_job_is_found_by_an_id_of_its_own() {
    let bench = Bench::new();
    let key = bench.enter(job(1, delay(Duration::from_hours(24 * 36_500))).with_id("invoice-9")).await;
    let other = bench.enter(job(2, JobOptions::default()).with_id("invoice-90")).await;
    assert_eq!(bench.queue.find("id", "invoice-9", None, 10).await.unwrap(), [key]);
    assert_eq!(bench.queue.find("id", "invoice-90", None, 10).await.unwrap(), [other]);
    assert!(bench.queue.find("id", "invoice", None, 10).await.unwrap().is_empty());
    assert_eq!(bench.queue.stop(&[key]).await.unwrap(), [Acted::Well]);
    assert!(bench.queue.find("id", "invoice-9", None, 10).await.unwrap().is_empty());
    bench.check().await;
}
