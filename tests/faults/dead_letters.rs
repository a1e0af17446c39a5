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

#[tokio::test(flavor = "multi_thread")]
async fn the_disk_of_the_store_is_full() {
    let redis = RedisSpace::fresh("faults-store");
    let mut world = World::new(KafkaSpace::fresh("faults-store"), &redis.config()).await;
    let bridge = world.bridge();
    let traffic = world.traffic();
    world.progress().await;
    // As PostgreSQL says it: class 53, insufficient resources.
    let statements = [
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$",
        "CREATE TRIGGER full_disk BEFORE INSERT ON dead_letters FOR EACH ROW EXECUTE FUNCTION full_disk()",
    ];
    for statement in statements {
        sqlx::query(statement).execute(world.database.pool()).await.unwrap();
    }
    let poison = world.kafka.put(TOPIC, 1, Some(b"key"), Some(b"{broken"), &[]).await;
    bridge.wait_for_line("No space left on device", PATIENCE).await;
    traffic.more(100).await;
    world.progress().await;
    assert!(world.kafka.committed(TOPIC).await[1].is_none_or(|committed| committed <= poison));
    sqlx::query("DROP TRIGGER full_disk ON dead_letters").execute(world.database.pool()).await.unwrap();
    traffic.stop().await;
    assert_eq!(world.settle().await, 0, "nothing is done twice");
    let stored: i64 =
        sqlx::query_scalar("SELECT count(*) FROM dead_letters").fetch_one(world.database.pool()).await.unwrap();
    assert_eq!((stored, world.kafka.records(LETTERS, 1).await.len()), (1, 1), "it is there once");
}
