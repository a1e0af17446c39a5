//! What a kind of job declares: its backoff, what it is found by, and its order.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use millgate_derive::Job;
use millgate_jobs::{Backoff, Job, JobOptions};
use millgate_workers::{Ctx, Done, Handlers, JobError, WorkerConfig};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::bench::{Bench, SOON, config, new};

#[derive(Debug, Serialize, Deserialize, Job)]
#[job(queue = "main", backoff = "exponential 1s 10m")]
struct Doubling;

#[derive(Debug, Serialize, Deserialize, Job)]
#[job(queue = "main", backoff = "linear 5s 1m")]
struct Rising;

#[derive(Debug, Serialize, Deserialize, Job)]
#[job(queue = "main", backoff = "fixed 200ms", max_attempts = 3)]
struct Steady;

fn squares(attempt: u32) -> Duration {
    Duration::from_secs(1) * attempt * attempt
}

#[derive(Debug, Serialize, Deserialize, Job)]
#[job(queue = "main", backoff = "own squares")]
struct Own;

#[test]
fn a_kind_declares_its_backoff() {
    fn ceilings<J: Job>() -> [u64; 3] {
        let backoff = J::backoff().unwrap();
        [1, 3, 20].map(|attempt| backoff.ceiling(attempt).as_millis().try_into().unwrap())
    }
    assert_eq!(ceilings::<Doubling>(), [1_000, 4_000, 600_000]);
    assert_eq!(ceilings::<Rising>(), [5_000, 15_000, 60_000]);
    assert_eq!(ceilings::<Steady>(), [200, 200, 200]);
    assert_eq!(ceilings::<Own>(), [1_000, 9_000, 400_000]);
    assert!(matches!(Steady::backoff(), Some(Backoff::Fixed { .. })));
    assert!(crate::bench::Work::backoff().is_none());
}

#[tokio::test]
async fn a_kinds_backoff_goes_before_the_workers() {
    let bench = Bench::new();
    bench.enqueue(&[new(&Steady, JobOptions::default())]).await;
    let (sender, mut calls) = mpsc::unbounded_channel();
    let mut handlers = Handlers::default();
    handlers.add::<Steady>(move |_, _: Ctx| {
        let _ = sender.send(Instant::now());
        async { Err::<Done, _>(JobError::retry("again")) }
    });
    // By this one it would not come again within the test.
    let hour = Duration::from_hours(1);
    let worker = bench.start(&handlers, &WorkerConfig { backoff_base: hour, backoff_max: hour, ..config() });
    let mut last: Option<Instant> = None;
    for _ in 0..3 {
        let at = tokio::time::timeout(SOON, calls.recv()).await.expect("it comes again").unwrap();
        if let Some(last) = last.replace(at) {
            assert!(at - last >= Duration::from_millis(200), "after {:?}", at - last);
        }
    }
    bench.until("it is dead", |stats| stats.dead() == 1).await;
    worker.stop().await;
    bench.check().await;
}

#[derive(Debug, Serialize, Deserialize, Job)]
#[job(queue = "main", index = "order_id, r#type", index_kind)]
struct Found {
    order_id: u32,
    r#type: String,
}

#[tokio::test]
async fn a_job_is_found_by_the_fields_it_declares() {
    let bench = Bench::new();
    let job = |order_id, word: &str| new(&Found { order_id, r#type: word.into() }, JobOptions::default());
    bench.enqueue(&[job(1, "gift"), job(2, "gift"), job(3, "plain")]).await;
    let found = async |field: &str, value: &str| {
        let ids = bench.queue().find(field, value, None, 10).await.unwrap();
        let views = bench.queue().look(&ids).await.unwrap();
        views.iter().map(|view| serde_json::from_str::<Found>(&view.payload).unwrap().order_id).collect::<Vec<_>>()
    };
    assert_eq!(found("order_id", "2").await, [2]);
    assert_eq!(found("type", "gift").await, [1, 2]);
    assert_eq!(found("kind", "found").await, [1, 2, 3]);
    assert!(found("order_id", "4").await.is_empty());
    bench.check().await;
}

#[derive(Debug, Serialize, Deserialize, Job)]
#[job(queue = "main", ordered_by = "account", backoff = "fixed 50ms")]
struct Booking {
    account: u32,
    n: u32,
}

#[tokio::test]
async fn jobs_run_in_the_order_of_the_field_they_declare() {
    let bench = Bench::new();
    let jobs: Vec<_> = (0..20).map(|n| new(&Booking { account: n % 2, n }, JobOptions::default())).collect();
    bench.enqueue(&jobs).await;
    let runs = Arc::new(Mutex::new(Vec::new()));
    let seen = runs.clone();
    let mut handlers = Handlers::default();
    handlers.add::<Booking>(move |job: Booking, ctx: Ctx| {
        // Each account's third booking has to be tried again; none overtakes it.
        let fails = job.n / 2 == 2 && ctx.attempt == 1;
        if !fails {
            seen.lock().unwrap().push((job.account, job.n));
        }
        async move { if fails { Err(JobError::retry("again")) } else { Ok(Done) } }
    });
    let worker = bench.start(&handlers, &config());
    bench.until("all are done", |stats| stats.done() == 20).await;
    worker.stop().await;
    let runs = runs.lock().unwrap().clone();
    for account in 0..2 {
        let order: Vec<u32> = runs.iter().filter(|(other, _)| *other == account).map(|(_, n)| *n).collect();
        assert_eq!(order, (0..20).filter(|n| n % 2 == account).collect::<Vec<_>>(), "account {account}");
    }
    bench.check().await;
}

#[tokio::test]
async fn options_go_before_a_declared_order() {
    let bench = Bench::new();
    let apart = |n: u32| new(&Booking { account: 1, n }, JobOptions::default().ordered_by(format!("booking {n}")));
    bench.enqueue(&[apart(1), apart(2)]).await;
    // Of one lane the second would be held, and only one could run.
    assert_eq!(bench.check().await.waiting, 2);
    let together = |n: u32| new(&Booking { account: 2, n }, JobOptions::default());
    bench.enqueue(&[together(3), together(4)]).await;
    let stats = bench.check().await;
    assert_eq!((stats.waiting, stats.held), (3, 1));
}
