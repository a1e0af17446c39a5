//! A Redis without memory: it takes nothing more, loses nothing, and lets work be finished.

use std::time::Duration;

use millgate_jobs::{Cancel, Enqueued, Failure, JobOptions, QueueError, Verdict, unique};
use millgate_testkit::{RedisServer, wait_until};

use crate::{
    bench::{Bench, SOON, at, job, jobs},
    worker::Settings,
};

/// From now on the server is over its limit, whatever is asked.
async fn fill(server: &RedisServer) {
    server.set_maxmemory(1).await;
}

fn is_full<T: std::fmt::Debug>(answer: &Result<T, QueueError>) -> bool {
    let Err(error) = answer else { panic!("taken: {answer:?}") };
    assert!(error.is_transient());
    matches!(error, QueueError::Full(_))
}

#[tokio::test]
async fn what_is_refused_is_refused_whole_and_can_be_sent_again() {
    let server = RedisServer::start().await;
    let bench = Bench::on(&server);
    bench.queue.enqueue(&[job(0, unique("k"))]).await.unwrap();
    let before = bench.check().await;
    fill(&server).await;
    let refused = jobs(200);
    assert!(is_full(&bench.queue.enqueue(&refused).await));
    let cancel = Cancel { kind: "work".into(), unique: "k".into(), time: at(1) };
    assert!(is_full(&bench.queue.cancel(std::slice::from_ref(&cancel)).await));
    assert_eq!(bench.check().await, before);

    server.set_maxmemory(0).await;
    let results = bench.queue.enqueue(&refused).await.unwrap();
    assert!(results.iter().all(|result| matches!(result, Enqueued::New(_))), "something was there already");
    assert_eq!(bench.queue.cancel(&[cancel]).await.unwrap(), 1);
    let after = bench.check().await;
    assert_eq!((after.waiting, after.cancelled()), (200, 1));
}

#[tokio::test]
async fn workers_make_room() {
    let server = RedisServer::start().await;
    let bench = Bench::on(&server);
    server.set_maxmemory(server.used_memory().await + 3_000_000).await;
    let refused = loop {
        let some = jobs(200);
        let answer = bench.queue.enqueue(&some).await;
        if answer.is_err() {
            assert!(is_full(&answer));
            break some;
        }
    };
    let worker = bench.worker(Settings::concurrency(20)).answer_all(|_| Verdict::Done);
    wait_until("there is room", SOON, async || bench.queue.enqueue(&refused).await.is_ok()).await;
    bench.until("all are done", |stats| stats.done() == stats.enqueued()).await;
    worker.stop().await;
    bench.check().await;
}

#[tokio::test]
async fn leases_are_kept_and_failures_noted() {
    let server = RedisServer::start().await;
    let bench = Bench::on(&server);
    bench.queue.enqueue(&[job(0, JobOptions::default().max_attempts(2))]).await.unwrap();
    let lease = Duration::from_secs(1);
    let mut worker = bench.worker(Settings::lease(lease));
    let run = worker.next().await;
    // It would get the job if the lease ended.
    let mut other = bench.worker(Settings::lease(lease));
    fill(&server).await;
    let end = server.now().await + 2_500;
    wait_until("leases pass", SOON, async || server.now().await > end).await;
    assert!(other.begun().is_none());
    run.fail(Duration::from_hours(1));
    bench.until("it is put off", |stats| stats.delayed == 1).await;
    worker.stop().await;
    other.stop().await;
    let stats = bench.check().await;
    assert_eq!((stats.kinds["work"].late, stats.kinds["work"].rescued), (0, 0));
}

#[tokio::test]
async fn a_queue_can_be_paused() {
    let server = RedisServer::start().await;
    let bench = Bench::on(&server);
    bench.queue.enqueue(&jobs(1)).await.unwrap();
    fill(&server).await;
    bench.queue.pause().await.unwrap();
    assert!(bench.check().await.paused);
    bench.queue.resume().await.unwrap();
    assert!(!bench.check().await.paused);
}

#[tokio::test]
async fn dead_jobs_can_leave() {
    let server = RedisServer::start().await;
    let bench = Bench::on(&server);
    bench.queue.enqueue(&[job(0, JobOptions::default())]).await.unwrap();
    let worker = bench.worker(Settings::ONE).answer_all(|_| Verdict::Dead { failure: Failure::new("x", "y") });
    bench.until("it is dead", |stats| stats.dead() == 1).await;
    worker.stop().await;
    fill(&server).await;
    // They may be what fills it.
    let dead = bench.queue.claim_dead(9, Duration::from_mins(1)).await.unwrap();
    assert_eq!(bench.queue.remove(&[dead[0].key]).await.unwrap(), 1);
    assert_eq!(bench.check().await.unburied, 0);
}
