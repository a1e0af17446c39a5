//! Bridges that are killed, frozen, and that come and go.

use millgate_testkit::{KafkaSpace, RedisSpace};

use crate::{
    rounds,
    world::{PATIENCE, World},
};

async fn world(name: &str) -> (World, RedisSpace) {
    let redis = RedisSpace::fresh(name);
    (World::new(KafkaSpace::fresh(name), &redis.config()).await, redis)
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment() {
    let (mut world, _redis) = world("faults-kill").await;
    let traffic = world.traffic();
    for kill in 0..rounds(4, 50) {
        let bridge = world.bridge();
        bridge.wait_for_line("partitions assigned", PATIENCE).await;
        world.progress().await;
        // At another moment of a batch each time.
        traffic.more(kill * 7 % 40).await;
        bridge.kill9();
    }
    let _bridge = world.bridge();
    traffic.stop().await;
    assert_eq!(world.settle().await, 0, "nothing is done twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn frozen_until_others_have_its_partitions() {
    let (mut world, _redis) = world("faults-zombie").await;
    let traffic = world.traffic();
    let mut first = world.bridge();
    first.wait_for_line("partitions assigned", PATIENCE).await;
    for _ in 0..rounds(1, 10) {
        world.progress().await;
        first.freeze();
        let second = world.bridge();
        // Only when the session of the first is over.
        second.wait_for_line("partitions assigned", PATIENCE).await;
        world.progress().await;
        // With a batch in its hands that is long another's.
        first.thaw();
        world.progress().await;
        first.sigterm();
        first.wait_exit(PATIENCE).await;
        first = second;
    }
    traffic.stop().await;
    assert_eq!(world.settle().await, 0, "nothing is done twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn that_come_and_go() {
    let (mut world, _redis) = world("faults-rebalance").await;
    let traffic = world.traffic();
    let mut bridges = vec![world.bridge(), world.bridge()];
    for bridge in &bridges {
        bridge.wait_for_line("partitions assigned", PATIENCE).await;
    }
    for _ in 0..rounds(3, 20) {
        let newcomer = world.bridge();
        newcomer.wait_for_line("partitions assigned", PATIENCE).await;
        world.progress().await;
        let oldest = bridges.remove(0);
        oldest.sigterm();
        assert!(oldest.wait_exit(PATIENCE).await.success(), "{}", oldest.output());
        bridges.push(newcomer);
        world.progress().await;
    }
    traffic.stop().await;
    assert_eq!(world.settle().await, 0, "nothing is done twice");
}
