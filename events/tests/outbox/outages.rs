//! Servers and relays that go away.

use millgate_events::Event;
use millgate_testkit::{KafkaServer, wait_until};

use crate::bench::{Bench, Moved, SOON, moved};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_while_kafka_is_away_is_published_when_it_is_back() {
    let server = KafkaServer::start().await;
    let bench = Bench::on(server.space("outbox")).await;
    bench.kafka.create(Moved::TOPIC, 1).await;
    let relay = bench.relay();
    bench.append(&moved("a", 0)).await;
    bench.empty().await;
    server.kill9();
    for n in 1..20 {
        bench.append(&moved("a", n)).await;
    }
    assert_eq!(bench.store.backlog().await.unwrap().waiting, 19);
    server.restart().await;
    bench.empty().await;
    assert_eq!(bench.numbers("a", 20).await, (0..20).collect::<Vec<_>>());
    assert_eq!(bench.store.stuck().await.unwrap(), [], "an outage is no event's fault");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_ends_is_followed_by_one_that_stood_by() {
    let bench = Bench::open().await;
    let first = bench.relay();
    bench.append(&moved("a", 0)).await;
    wait_until("one publishes", SOON, async || first.stats.published() == 1).await;
    let second = bench.relay();
    for n in 1..50 {
        bench.append(&moved("a", n)).await;
    }
    bench.empty().await;
    assert_eq!((first.stats.published(), second.stats.published()), (50, 0), "one at a time");
    first.abort().await;
    for n in 50..100 {
        bench.append(&moved("a", n)).await;
    }
    bench.empty().await;
    assert_eq!(second.stats.published(), 50);
    assert_eq!(bench.numbers("a", 100).await, (0..100).collect::<Vec<_>>());
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_word_from_the_database_the_relay_looks_by_itself() {
    let bench = Bench::open().await;
    sqlx::query("DROP TRIGGER outbox_wake ON outbox").execute(bench.pool()).await.unwrap();
    let relay = bench.relay();
    bench.append(&moved("a", 1)).await;
    assert_eq!(bench.numbers("a", 1).await, [1]);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_come_late_are_waited_for() {
    let bench = Bench::open().await;
    sqlx::query("ALTER TABLE outbox RENAME TO elsewhere").execute(bench.pool()).await.unwrap();
    let error = bench.store.backlog().await.unwrap_err();
    assert!(error.to_string().contains("millgate migrate"), "{error}");
    let relay = bench.relay();
    sqlx::query("ALTER TABLE elsewhere RENAME TO outbox").execute(bench.pool()).await.unwrap();
    bench.append(&moved("a", 1)).await;
    assert_eq!(bench.numbers("a", 1).await, [1]);
    relay.stop().await;
}
