//! A Redis Cluster whose masters die.

use millgate_testkit::{KafkaSpace, RedisCluster, wait_for, wait_until};

use crate::{
    rounds,
    world::{PATIENCE, World},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_master_of_a_queue_is_killed() {
    let cluster = RedisCluster::start().await;
    let redis = cluster.config("faults-cluster");
    let mut world = World::new(KafkaSpace::fresh("faults-cluster"), &redis).await;
    let bridge = world.bridge();
    let traffic = world.traffic();
    // A replica copies what its master says a moment later: the first watermark, at least, is on both.
    traffic.more(400).await;
    for round in 0..rounds(2, 10) {
        world.progress().await;
        // Now that of one queue, and now that of the other.
        let queue = if round % 2 == 0 { "inventory" } else { "email" };
        let key = format!("{{{}:{queue}}}:", redis.prefix);
        let master = cluster.master_of(&key).await.expect("the slot has a master");
        master.kill9();
        let next = wait_for("a replica takes over", PATIENCE, async || cluster.master_of(&key).await).await;
        assert_ne!(next.port(), master.port());
        world.progress().await;
        master.restart().await;
        wait_until("the old master follows the new one", PATIENCE, async || next.has_replica().await).await;
    }
    traffic.stop().await;
    // What a master confirmed and had not yet copied is done again, and nothing else.
    world.settle().await;
    assert!(bridge.is_running());
}
