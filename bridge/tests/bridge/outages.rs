//! A Redis that is away in the middle of traffic.

use std::time::Duration;

use millgate_bridge::BridgeConfig;
use millgate_jobs::RedisConfig;
use millgate_testkit::{Proxy, wait_until};

use crate::bench::{Bench, Confirm, Pack, Remind, Running, SOON, config, ordered};

/// Publishes so many orders, the first of a number.
async fn publish(bench: &Bench, first: usize, count: usize) {
    bench.publish((first..first + count).map(|n| ordered(format!("o-{n}")))).await;
}

async fn assert_all_there_once(bench: &Bench, count: u64) {
    bench.wait_all_committed().await;
    for enqueued in
        [bench.enqueued::<Confirm>().await, bench.enqueued::<Remind>().await, bench.enqueued::<Pack>().await]
    {
        assert_eq!(enqueued, count);
    }
}

fn way(bench: &Bench, proxy: &Proxy) -> RedisConfig {
    RedisConfig { response_timeout: Duration::from_secs(1), ..bench.redis.config_at(&proxy.address()) }
}

#[tokio::test]
async fn a_cut_in_mid_traffic_loses_and_doubles_nothing() {
    let bench = Bench::new(3).await;
    let proxy = Proxy::to(&bench.redis.address());
    let bridge = Running::start(&bench.kafka.config(), &way(&bench, &proxy), &config());
    for round in 0..4 {
        publish(&bench, round * 200, 200).await;
        let some = round as u64 * 200 + 20;
        wait_until("some are handed off", SOON, async || bench.enqueued::<Pack>().await >= some).await;
        proxy.cut();
        publish(&bench, 10_000 + round * 50, 50).await;
        proxy.restore();
    }
    assert_all_there_once(&bench, 1_000).await;
    assert_eq!(bridge.stop().await.handed_off, 1_000);
}

#[tokio::test]
async fn a_way_that_stalls_is_waited_for() {
    let bench = Bench::new(2).await;
    let proxy = Proxy::to(&bench.redis.address());
    let bridge = Running::start(&bench.kafka.config(), &way(&bench, &proxy), &config());
    publish(&bench, 0, 100).await;
    wait_until("some are handed off", SOON, async || bench.enqueued::<Pack>().await >= 10).await;
    proxy.stall();
    publish(&bench, 100, 100).await;
    // Longer than a command may take, so that it is sent again though it may have been done.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(bench.enqueued::<Pack>().await < 200);
    proxy.restore();
    assert_all_there_once(&bench, 200).await;
    assert_eq!(bridge.stop().await.handed_off, 200);
}

#[tokio::test]
async fn a_bridge_that_stops_without_redis_leaves_the_rest_to_the_next() {
    let bench = Bench::new(2).await;
    let proxy = Proxy::to(&bench.redis.address());
    let hasty = BridgeConfig { drain_timeout: Duration::from_secs(1), ..config() };
    let bridge = Running::start(&bench.kafka.config(), &way(&bench, &proxy), &hasty);
    publish(&bench, 0, 100).await;
    assert_all_there_once(&bench, 100).await;
    proxy.cut();
    publish(&bench, 100, 100).await;
    // The records are in a hand-off that cannot end, or will be.
    wait_until("it tries", SOON, async || bridge.counts().handed_off == 100).await;
    assert_eq!(bridge.stop().await.handed_off, 100);
    let next = bench.bridge();
    assert_all_there_once(&bench, 200).await;
    assert_eq!(next.stop().await.handed_off, 100, "what was committed is not read again");
}
