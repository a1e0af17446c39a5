//! Tenants share the workers by their weights, however much each has waiting.

use std::time::Duration;

use millgate_jobs::{JobOptions, JobState, NewJob, Verdict};

use crate::{
    bench::{Bench, job},
    worker::Settings,
};

fn of(tenant: &str, weight: u32, numbers: std::ops::Range<usize>) -> Vec<NewJob> {
    numbers.map(|n| job(n, JobOptions::default().tenant(tenant, weight))).collect()
}

/// The numbers of the next jobs that are run.
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
async fn one_who_comes_late_with_little_does_not_wait_for_one_with_much() {
    let bench = Bench::new();
    bench.queue.enqueue(&of("large", 1, 0..1_000)).await.unwrap();
    let first = next_numbers(&bench, 50).await;
    assert!(first.is_sorted(), "one's own jobs keep their order");
    bench.queue.enqueue(&of("small", 1, 1_000..1_010)).await.unwrap();
    let next = next_numbers(&bench, 22).await;
    let small: Vec<_> = next.iter().copied().filter(|n| *n >= 1_000).collect();
    assert_eq!(small, (1_000..1_010).collect::<Vec<_>>(), "in turns: {next:?}");
    let worker = bench.worker(Settings::concurrency(50)).answer_all(|_| Verdict::Done);
    bench.until("all are done", |stats| stats.done() == 1_010).await;
    worker.stop().await;
    bench.check().await;
    for part in ["fair", "tags"] {
        assert_eq!(bench.redis().command::<usize>(&["EXISTS", &bench.key(part)]).await, 0, "{part}");
    }
}

#[tokio::test]
async fn shares_are_by_weight_while_both_have_jobs() {
    let bench = Bench::new();
    bench.queue.enqueue(&of("light", 1, 0..200)).await.unwrap();
    bench.queue.enqueue(&of("heavy", 3, 200..400)).await.unwrap();
    let next = next_numbers(&bench, 120).await;
    let heavy = next.iter().filter(|n| **n >= 200).count();
    assert!((88..=92).contains(&heavy), "{heavy} of 120 are for the one of weight 3");
    bench.check().await;
}

#[tokio::test]
async fn priorities_go_before_turns_and_jobs_without_a_tenant_come_along() {
    let bench = Bench::new();
    let new = |n: usize, priority| job(n, JobOptions::default().tenant("a", 1).priority(priority));
    bench.queue.enqueue(&[new(0, 5), new(1, 5)]).await.unwrap();
    // Of one moment, that without a tenant would be first.
    bench.skip(Duration::from_millis(1)).await;
    bench.queue.enqueue(&[job(2, JobOptions::default().priority(5)), new(3, 0)]).await.unwrap();
    assert_eq!(next_numbers(&bench, 4).await, [3, 0, 1, 2]);
    bench.check().await;
}

#[tokio::test]
async fn a_tenants_job_can_be_stopped_put_off_and_retried() {
    let bench = Bench::new();
    let entered = bench.queue.enqueue(&of("a", 1, 0..4)).await.unwrap();
    let keys: Vec<_> = entered.iter().filter_map(millgate_jobs::Enqueued::id).collect();
    bench.queue.stop(&keys[..1]).await.unwrap();
    bench.queue.reschedule(&keys[1..2], None).await.unwrap();
    let mut worker = bench.worker(Settings::ONE);
    let run = worker.next().await;
    assert_eq!(run.n(), 2);
    run.fail(Duration::ZERO);
    for n in [3, 1, 2] {
        let run = worker.next().await;
        assert_eq!(run.n(), n);
        run.done();
    }
    worker.stop().await;
    assert_eq!(bench.state(keys[0]).await, None::<JobState>);
    assert_eq!(bench.check().await.done(), 3);
}
