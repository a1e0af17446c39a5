//! A topic that is deleted and made anew: its offsets begin again, below the watermarks.

use std::time::Duration;

use millgate_bridge::{Choice, Watermarks};
use millgate_events::Event;
use millgate_testkit::wait_until;

use crate::bench::{Bench, Ordered, Pack, Running, SOON, routes};

async fn replace(bench: &Bench) {
    bench.kafka.admin().delete(&[Ordered::TOPIC]).await.unwrap();
    wait_until("it is gone", SOON, async || bench.kafka.ends(Ordered::TOPIC).await.is_empty()).await;
    bench.kafka.create(Ordered::TOPIC, 1).await;
}

/// Nothing of the new topic is taken for handed off, nor handed off, until somebody says so; then all of it is.
async fn waits_and_goes_on(bench: &Bench, bridge: &Running, orders: std::ops::Range<usize>) {
    wait_until("it says so", SOON, async || bridge.counts().halts > 0).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.orders::<Pack>().await.len(), 20);
    let watermarks = Watermarks::new(&bench.kafka.config(), &routes(), bench.redis.queues());
    let topic = Choice { queue: None, topic: Some(bench.kafka.name(Ordered::TOPIC)) };
    assert_eq!(watermarks.rewind(&topic, None).await.unwrap().len(), 2);
    bench.wait_each_once(orders.end).await;
}

#[tokio::test]
async fn a_shorter_one_is_not_taken_for_known() {
    let bench = Bench::new(1).await;
    bench.order(0..20).await;
    let bridge = bench.bridge();
    bench.wait_each_once(20).await;
    bridge.stop().await;
    replace(&bench).await;
    bench.order(20..25).await;
    let bridge = bench.bridge();
    waits_and_goes_on(&bench, &bridge, 20..25).await;
    bridge.stop().await;
}

#[tokio::test]
async fn a_longer_one_is_told_by_its_times() {
    let bench = Bench::new(1).await;
    bench.order(0..20).await;
    let bridge = bench.bridge();
    bench.wait_each_once(20).await;
    bridge.stop().await;
    replace(&bench).await;
    bench.order(20..60).await;
    let bridge = bench.bridge();
    waits_and_goes_on(&bench, &bridge, 20..60).await;
    bench.wait_all_committed().await;
    bridge.stop().await;
}

/// One that has just seen that all of it is what it should be.
#[tokio::test]
async fn it_is_noticed_by_a_bridge_that_passed_over_the_old_one() {
    let bench = Bench::new(1).await;
    bench.order(0..20).await;
    let bridge = bench.bridge();
    bench.wait_each_once(20).await;
    bridge.stop().await;
    bench.kafka.commit(Ordered::TOPIC, &[(0, 0, "")]).await;
    let bridge = bench.bridge();
    bench.wait_all_committed().await;
    assert_eq!(bridge.counts().skipped, 60);
    replace(&bench).await;
    bench.order(20..30).await;
    waits_and_goes_on(&bench, &bridge, 20..30).await;
    bridge.stop().await;
}

#[tokio::test]
async fn it_is_noticed_by_a_bridge_that_runs() {
    let bench = Bench::new(1).await;
    bench.order(0..20).await;
    let bridge = bench.bridge();
    bench.wait_each_once(20).await;
    bench.wait_all_committed().await;
    replace(&bench).await;
    bench.order(20..30).await;
    waits_and_goes_on(&bench, &bridge, 20..30).await;
    bridge.stop().await;
}
