//! A broker that is killed, and one that stands still.

use millgate_testkit::{KafkaServer, RedisSpace};

use crate::{
    rounds,
    world::{PATIENCE, World},
};

#[tokio::test(flavor = "multi_thread")]
async fn killed_and_started_again() {
    let (server, redis) = (KafkaServer::start().await, RedisSpace::fresh("faults-broker"));
    let mut world = World::new(server.space("faults-broker"), &redis.config()).await;
    let traffic = world.traffic();
    let bridge = world.bridge();
    bridge.wait_for_line("partitions assigned", PATIENCE).await;
    for _ in 0..rounds(1, 5) {
        world.progress().await;
        server.kill9();
        server.restart().await;
        world.progress().await;
    }
    traffic.stop().await;
    assert_eq!(world.settle().await, 0, "nothing is done twice");
    assert!(bridge.is_running());
}
