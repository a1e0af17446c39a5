//! Poison, while what takes it is away.

use millgate_testkit::{KafkaSpace, RedisSpace, wait_until};

use crate::{
    rounds,
    world::{PATIENCE, TOPIC, World},
};

const LETTERS: &str = "dead-letter-queue";

#[tokio::test(flavor = "multi_thread")]
async fn the_topic_for_dead_letters_is_gone() {
    let redis = RedisSpace::fresh("faults-dlq");
    let mut world = World::new(KafkaSpace::fresh("faults-dlq"), &redis.config()).await;
    let bridge = world.bridge();
    let traffic = world.traffic();
    world.progress().await;
    for _ in 0..rounds(1, 5) {
        world.kafka.admin().delete(&[LETTERS]).await.unwrap();
        let poison = world.kafka.put(TOPIC, 0, Some(b"key"), Some(b"{broken"), &[]).await;
        bridge.wait_for_line("the dead-letter topic", PATIENCE).await;
        // Its partition waits; the others go on, and its offset is not passed over.
        traffic.more(100).await;
        world.progress().await;
        assert!(world.kafka.committed(TOPIC).await[0].is_none_or(|committed| committed <= poison));
        world.run(&["topics", "apply"]).await;
        wait_until("the partition goes on", PATIENCE, async || {
            world.kafka.committed(TOPIC).await[0].is_some_and(|committed| committed > poison)
        })
        .await;
        let letters = world.kafka.records(LETTERS, 1).await;
        let offset = poison.to_string();
        let of_it = letters.iter().filter(|letter| letter.headers.text("__dlq.errors.offset") == Some(&offset));
        assert_eq!(of_it.count(), 1, "it is there once");
    }
    traffic.stop().await;
    assert_eq!(world.settle().await, 0, "nothing is done twice");
}
