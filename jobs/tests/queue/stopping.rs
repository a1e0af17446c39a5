//! Stopping with jobs in hand.

use std::time::Duration;

use millgate_jobs::Verdict;
use millgate_testkit::Proxy;

use crate::{
    bench::{Bench, jobs},
    worker::Settings,
};

#[tokio::test]
async fn what_is_in_hand_is_done_and_nothing_new_is_begun() {
    let bench = Bench::new();
    bench.queue.enqueue(&jobs(5)).await.unwrap();
    let mut worker = bench.worker(Settings::concurrency(2));
    let (one, two) = (worker.next().await, worker.next().await);
    worker.ask_to_stop();
    one.done();
    two.done();
    worker.stop().await;
    let stats = bench.check().await;
    assert_eq!((stats.done(), stats.waiting, stats.active), (2, 3, 0));
    assert_eq!(stats.kinds["work"].handed_back, 0);
}

#[tokio::test]
async fn a_claim_that_is_on_its_way_is_waited_for_and_its_jobs_go_back_at_once() {
    let bench = Bench::new();
    let proxy = Proxy::to(&bench.redis().address());
    let mut worker = bench.worker_at(&proxy.address(), Settings { concurrency: 4, lease: Duration::from_mins(5) });
    bench.queue.enqueue(&jobs(1)).await.unwrap();
    // It is connected, and listens.
    worker.next().await.done();
    bench.until("it is done", |stats| stats.done() == 1).await;
    proxy.mute();
    bench.queue.enqueue(&jobs(4)).await.unwrap();
    bench.until("they are claimed, and it does not know", |stats| stats.active > 0).await;
    worker.ask_to_stop();
    proxy.restore();
    // Those that it begins all the same, it ends.
    worker.answer_all(|_| Verdict::Done).stop().await;
    // Not when a lease of five minutes ends.
    let stats = bench.check().await;
    assert_eq!((stats.waiting + stats.done(), stats.active), (5, 0));
    let mut other = bench.worker(Settings::ONE);
    for _ in 0..stats.waiting {
        let run = other.next().await;
        assert_eq!(run.job.attempt, 1, "no attempt is spent");
        run.done();
    }
    other.stop().await;
    assert_eq!(bench.check().await.done(), 5);
}
