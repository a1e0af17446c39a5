//! The processes that run, as they say themselves, and what they are told.

use std::time::Duration;

use chrono::DateTime;
use millgate_jobs::{Order, Process, QueueError, Queues, Trouble, WorkedQueue};
use millgate_testkit::RedisSpace;

use crate::{
    bench::{Bench, SOON, jobs},
    worker::{Settings, Worker},
};

const HALF_A_MINUTE: Duration = Duration::from_secs(30);

fn process(id: &str, started: i64) -> Process {
    Process {
        id: id.into(),
        roles: vec!["worker".into()],
        application: "shop".into(),
        host: "host".into(),
        pid: 7,
        version: "1.0.0".into(),
        started_at: DateTime::from_timestamp(started, 0).unwrap(),
        reported_at: DateTime::UNIX_EPOCH,
        quiet: false,
        order: None,
        queues: vec![WorkedQueue {
            name: "email".into(),
            concurrency: 10,
            in_hand: 3,
            utilisation: 0.25,
            last_fetch: DateTime::from_timestamp(started + 1, 0),
        }],
        kinds: [("send-mail".into(), 2)].into(),
        groups: Vec::new(),
        troubles: vec![Trouble {
            topic: Some("order.created".into()),
            partition: Some(3),
            group: Some("shop".into()),
            since: DateTime::from_timestamp(started, 0).unwrap(),
            text: "no dead-letter topic".into(),
        }],
        more_troubles: 0,
    }
}

async fn ids(queues: &Queues) -> Vec<String> {
    queues.processes().list().await.unwrap().into_iter().map(|process| process.id).collect()
}

#[tokio::test]
async fn a_process_is_listed_as_it_said_until_it_leaves() {
    let redis = RedisSpace::fresh("processes");
    let queues = redis.queues();
    let processes = queues.processes();
    processes.report(&process("b", 200)).await.unwrap();
    let before = processes.now().await.unwrap();
    processes.report(&process("a", 100)).await.unwrap();
    let listed = processes.list().await.unwrap();
    let reported_at = listed[0].reported_at;
    assert_eq!(listed[0], Process { reported_at, ..process("a", 100) });
    assert!(reported_at >= before - Duration::from_millis(1), "it is Redis that says when");
    assert_eq!(ids(&queues).await, ["a", "b"], "by when they started");
    processes.leave("a").await.unwrap();
    assert_eq!(ids(&queues).await, ["b"]);
    // What another version says, and is not understood, hides nobody.
    let base = format!("{{{}:processes}}", redis.config().prefix);
    redis.command::<i64>(&["HSET", &format!("{base}:all"), "c", "{\"id\":1}"]).await;
    redis.command::<i64>(&["ZADD", &format!("{base}:seen"), "99999999999999", "c"]).await;
    assert_eq!(ids(&queues).await, ["b"]);
}

#[tokio::test]
async fn a_process_that_is_silent_is_forgotten_with_all_that_was_known_of_it() {
    let redis = RedisSpace::fresh("processes");
    let queues = redis.queues();
    let processes = queues.processes();
    processes.report(&process("silent", 100)).await.unwrap();
    processes.order("silent", Order::Quiet).await.unwrap();
    queues.pass(HALF_A_MINUTE / 2);
    processes.report(&process("speaks", 200)).await.unwrap();
    assert_eq!(ids(&queues).await, ["silent", "speaks"]);
    queues.pass(HALF_A_MINUTE / 2);
    assert_eq!(ids(&queues).await, ["speaks"]);
    let error = processes.order("silent", Order::Resume).await.unwrap_err();
    assert!(matches!(&error, QueueError::NoProcess(id) if id == "silent"), "{error}");
    assert!(error.to_string().contains("`millgate workers` lists those there are"), "{error}");
    processes.report(&process("speaks", 200)).await.unwrap();
    let base = format!("{{{}:processes}}", redis.config().prefix);
    for (command, key, left) in [("ZCARD", "seen", 1), ("HLEN", "all", 1), ("HLEN", "orders", 0)] {
        assert_eq!(redis.command::<i64>(&[command, &format!("{base}:{key}")]).await, left, "{key}");
    }
}

#[tokio::test]
async fn an_order_comes_with_every_report_until_there_is_another() {
    let redis = RedisSpace::fresh("processes");
    let processes = redis.queues().processes();
    let worker = process("w", 100);
    assert_eq!(processes.report(&worker).await.unwrap(), None);
    processes.order("w", Order::Quiet).await.unwrap();
    for _ in 0..2 {
        assert_eq!(processes.report(&worker).await.unwrap(), Some(Order::Quiet));
    }
    processes.order("w", Order::Stop).await.unwrap();
    assert_eq!(processes.list().await.unwrap()[0].order, Some(Order::Stop));
    processes.leave("w").await.unwrap();
    assert_eq!(processes.report(&worker).await.unwrap(), None, "what ended is told nothing any more");
    assert!(processes.order("nobody", Order::Stop).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_worker_takes_nothing_and_its_jobs_go_to_another() {
    let bench = Bench::new();
    let mut quiet = bench.worker(Settings::ONE);
    // It sleeps on the queue's bell.
    bench.enter(jobs(1).remove(0)).await;
    quiet.next().await.done();
    bench.until("it is done", |stats| stats.done() == 1).await;
    quiet.hands().quiet(true);
    bench.enter(jobs(1).remove(0)).await;
    let mut other: Worker = bench.worker(Settings::ONE);
    other.next().await.done();
    bench.until("another has done it", |stats| stats.done() == 2).await;
    other.stop().await;
    // Now there is nobody else, and it takes them up when it may.
    bench.enter(jobs(1).remove(0)).await;
    assert!(quiet.begun().is_none());
    assert_eq!(bench.queue.stats().await.unwrap().waiting, 1);
    quiet.hands().quiet(false);
    quiet.next().await.done();
    bench.until("all are done", |stats| stats.done() == 3).await;
    // Told so while it is busy, it finishes what it has, and can be stopped.
    bench.enter(jobs(1).remove(0)).await;
    let run = quiet.next().await;
    quiet.hands().quiet(true);
    bench.enter(jobs(1).remove(0)).await;
    run.done();
    bench.until("it has finished", |stats| stats.done() == 4 && stats.active == 0).await;
    tokio::time::timeout(SOON, quiet.stop()).await.unwrap();
    assert_eq!(bench.check().await.waiting, 1);
}
