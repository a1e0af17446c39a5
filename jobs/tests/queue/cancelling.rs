//! Cancels, before and after what they cancel.

use std::time::Duration;

use millgate_jobs::{Cancel, Enqueued, Job, NewJob, Queue, delay, unique};

use crate::{
    bench::{Bench, Play, Work, at},
    worker::Settings,
};

const KEY: &str = "order-7";

fn reminder(n: usize, time: i64) -> NewJob {
    NewJob::new(&Work { n }, unique(KEY), at(time)).unwrap()
}

async fn cancel(queue: &Queue, time: i64) -> usize {
    let cancel = Cancel { kind: Work::KIND.to_owned(), unique: KEY.to_owned(), time: at(time) };
    queue.cancel(&[cancel]).await.unwrap()
}

#[tokio::test]
async fn a_cancel_takes_what_waits_and_what_is_delayed() {
    let bench = Bench::new();
    bench.queue.enqueue(&[reminder(1, 0)]).await.unwrap();
    assert_eq!(cancel(&bench.queue, 10).await, 1);
    assert_eq!(cancel(&bench.queue, 10).await, 0, "it is gone already");
    // A century after the event: it will not come due within the test.
    let century = Duration::from_hours(24 * 36_500);
    let late = NewJob::new(&Work { n: 2 }, delay(century).unique(KEY), at(20)).unwrap();
    assert!(matches!(bench.queue.enqueue(&[late]).await.unwrap()[..], [Enqueued::New(_)]));
    assert_eq!(bench.stats().await.delayed, 1);
    assert_eq!(cancel(&bench.queue, 20).await, 1);
    let stats = bench.check().await;
    assert_eq!((stats.waiting, stats.delayed, stats.cancelled()), (0, 0, 2));
}

#[tokio::test]
async fn a_cancel_that_comes_first_holds_for_what_is_older() {
    let bench = Bench::new();
    assert_eq!(cancel(&bench.queue, 10).await, 0);
    assert_eq!(bench.queue.enqueue(&[reminder(1, 9)]).await.unwrap(), [Enqueued::Cancelled]);
    assert_eq!(bench.queue.enqueue(&[reminder(2, 10)]).await.unwrap(), [Enqueued::Cancelled]);
    // An older cancel that comes late does not undo the newer one.
    assert_eq!(cancel(&bench.queue, 5).await, 0);
    assert_eq!(bench.queue.enqueue(&[reminder(3, 8)]).await.unwrap(), [Enqueued::Cancelled]);
    assert!(matches!(bench.queue.enqueue(&[reminder(4, 11)]).await.unwrap()[..], [Enqueued::New(_)]));
    let stats = bench.check().await;
    assert_eq!((stats.cancelled(), stats.waiting), (3, 1));
}

#[tokio::test]
async fn a_cancel_leaves_what_is_newer_or_another_kind() {
    let bench = Bench::new();
    let play = NewJob::new(&Play, unique(KEY), at(0)).unwrap();
    bench.queue.enqueue(&[reminder(1, 11), play]).await.unwrap();
    assert_eq!(cancel(&bench.queue, 10).await, 0);
    let stats = bench.check().await;
    assert_eq!((stats.waiting, stats.cancelled()), (2, 0));
}

#[tokio::test]
async fn a_running_job_is_not_cancelled() {
    let bench = Bench::new();
    bench.queue.enqueue(&[reminder(1, 0)]).await.unwrap();
    let mut worker = bench.worker(Settings::ONE);
    let run = worker.next().await;
    assert_eq!(cancel(&bench.queue, 10).await, 0);
    run.done();
    worker.stop().await;
    let stats = bench.check().await;
    assert_eq!((stats.done(), stats.cancelled()), (1, 0));
}

#[tokio::test]
async fn a_cancel_is_forgotten_after_the_window() {
    let bench = Bench::with_window(Duration::from_millis(200));
    assert_eq!(cancel(&bench.queue, 10).await, 0);
    bench.pass(Duration::from_millis(250)).await;
    // Whatever cancel comes next cleans up.
    let other = Cancel { kind: Work::KIND.to_owned(), unique: "another".to_owned(), time: at(0) };
    assert_eq!(bench.queue.cancel(&[other]).await.unwrap(), 0);
    assert!(matches!(bench.queue.enqueue(&[reminder(1, 9)]).await.unwrap()[..], [Enqueued::New(_)]));
    for part in ["cancelled", "cancels"] {
        assert_eq!(bench.redis().command::<usize>(&["ZCARD", &bench.key(part)]).await, 1, "{part}");
    }
    bench.check().await;
}

#[tokio::test]
async fn a_job_that_was_cancelled_while_it_ran_does_not_run_again() {
    let bench = Bench::new();
    bench.queue.enqueue(&[reminder(1, 0)]).await.unwrap();
    let mut worker = bench.worker(Settings::ONE);
    let run = worker.next().await;
    assert_eq!(cancel(&bench.queue, 10).await, 0);
    run.fail(Duration::ZERO);
    bench.until("it is gone", |stats| stats.cancelled() == 1).await;
    worker.stop().await;
    let stats = bench.check().await;
    assert_eq!((stats.waiting, stats.delayed, stats.dead()), (0, 0, 0));
}
