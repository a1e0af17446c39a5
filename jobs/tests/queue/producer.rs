//! A producer that does not hear the answer to its call, and makes it again.

use std::time::Duration;

use millgate_jobs::{Enqueued, JobOptions, NewJob, Queue};
use millgate_testkit::{Proxy, wait_until};

use crate::bench::{Bench, SOON, job, jobs};

/// Lets `enqueue` lose its answer: the call arrives, and on that connection nothing ever comes back.
async fn answer_lost<T>(bench: &Bench, enqueued: u64, enqueue: impl AsyncFnOnce(Queue) -> T) -> T {
    let proxy = Proxy::to(&bench.redis().address());
    let queue = bench.queue_at(&proxy.address());
    // Connected, and the script is known.
    queue.stats().await.unwrap();
    proxy.mute();
    let lose = async {
        bench.until("the call arrives", |stats| stats.enqueued() == enqueued).await;
        // Not `cut`, which this, so soon after, would undo before anybody has seen it.
        proxy.strand();
        proxy.restore();
    };
    tokio::join!(enqueue(queue), lose).0
}

#[tokio::test]
async fn a_call_whose_answer_is_lost_enqueues_nothing_twice() {
    let bench = Bench::new();
    // Plain ones, which have nothing to be recognised by, and such that have.
    let all: Vec<NewJob> = jobs(100).into_iter().chain([job(100, JobOptions::default()).with_id("one")]).collect();
    let entered = answer_lost(&bench, 101, async |queue| queue.enqueue(&all).await.unwrap()).await;
    assert!(entered.iter().all(|result| matches!(result, Enqueued::New(_))), "the first answer: {entered:?}");
    let keys: Vec<_> = entered.iter().filter_map(Enqueued::id).collect();
    assert_eq!(bench.queue.look(&keys).await.unwrap().len(), 101);
    let stats = bench.check().await;
    assert_eq!((stats.waiting, stats.kinds["work"].duplicate), (101, 0));
}

#[tokio::test]
async fn nor_does_a_push_or_a_batch() {
    let bench = Bench::new();
    let new = || job(1, JobOptions::default());
    let key = answer_lost(&bench, 1, async |queue| queue.push(new()).await.unwrap().id().unwrap()).await;
    assert!(bench.view(key).await.is_some());
    answer_lost(&bench, 3, async |queue| queue.enqueue_batch(vec![new(), new()], &new()).await.unwrap()).await;
    assert_eq!(bench.check().await.waiting, 3);
}

#[tokio::test]
async fn what_is_remembered_of_a_call_is_forgotten() {
    let bench = Bench::new();
    for _ in 0..20 {
        bench.queue.enqueue(&jobs(2)).await.unwrap();
    }
    // Calls one after the other share a seat.
    let producers = async || bench.redis().command::<usize>(&["HLEN", &bench.key("answers")]).await;
    assert_eq!(producers().await, 1);
    // Of one that calls no more the answer goes with somebody else's call, when its time is over.
    bench.jump(Duration::from_mins(11));
    let other = bench.of_another();
    wait_until("it is forgotten", SOON, async || {
        other.enqueue(&jobs(2)).await.unwrap();
        producers().await == 1
    })
    .await;
    bench.check().await;
}
