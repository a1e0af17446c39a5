//! Stopping with jobs in hand.

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
