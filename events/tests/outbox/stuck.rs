//! Events that Kafka refuses: their key waits, and nothing else.

use millgate_events::StuckKey;
use millgate_testkit::{wait_for, wait_until};
use uuid::Uuid;

use crate::bench::{Bench, SOON, moved};

/// An event that is larger than any record may be, compressed too.
async fn append_huge(bench: &Bench, parcel: &str) -> Uuid {
    let noise: String = (0..100_000).map(|_| Uuid::new_v4().simple().to_string()).collect();
    let insert = "INSERT INTO outbox (aggregatetype, aggregateid, type, topic, payload) \
        VALUES ('parcel', $1, 'parcel.moved', 'parcels', to_json($2::text)) RETURNING id";
    sqlx::query_scalar(insert).bind(parcel).bind(noise).fetch_one(bench.pool()).await.unwrap()
}

async fn stuck(bench: &Bench, dead: bool) -> StuckKey {
    wait_for("a key is stuck", SOON, async || {
        bench.store.stuck().await.unwrap().into_iter().find(|stuck| stuck.next_try.is_none() == dead)
    })
    .await
}

#[tokio::test]
async fn a_record_that_is_too_large_holds_up_its_own_key_until_it_is_discarded() {
    let mut bench = Bench::open().await;
    bench.config.max_attempts = 2;
    bench.append(&moved("a", 1)).await;
    let huge = append_huge(&bench, "a").await;
    bench.append(&moved("a", 2)).await;
    bench.append(&moved("b", 1)).await;
    let relay = bench.relay();
    let first = stuck(&bench, false).await;
    assert_eq!((first.id, first.topic.as_str(), first.key.as_str(), first.behind), (huge, "parcels", "a", 1));
    assert!(first.error.contains("too large"), "{}", first.error);
    // Others of the topic go on, those written before and those written now.
    bench.append(&moved("b", 2)).await;
    assert_eq!(bench.numbers("b", 3).await, [1, 2]);
    assert_eq!(bench.numbers("a", 3).await, [1]);

    let dead = stuck(&bench, true).await;
    assert_eq!((dead.id, dead.tries), (huge, 2));
    bench.append(&moved("b", 3)).await;
    assert_eq!(bench.numbers("b", 4).await, [1, 2, 3]);
    assert_eq!(bench.numbers("a", 4).await, [1], "what is behind a dead one waits for people");
    assert!(!bench.store.discard(Uuid::new_v4()).await.unwrap());
    assert!(bench.store.discard(huge).await.unwrap());
    assert_eq!(bench.numbers("a", 5).await, [1, 2]);
    bench.empty().await;
    assert_eq!(bench.store.stuck().await.unwrap(), []);
    relay.stop().await;
}

#[tokio::test]
async fn what_was_refused_goes_before_what_waits_behind_it_once_it_can() {
    let mut bench = Bench::open().await;
    bench.config.max_attempts = 1;
    let insert = "INSERT INTO outbox (aggregatetype, aggregateid, type, topic, payload, headers) \
        VALUES ('parcel', 'a', 'parcel.moved', 'parcels', '{\"parcel\":\"a\",\"n\":1}', '[]') RETURNING id";
    let id: Uuid = sqlx::query_scalar(insert).fetch_one(bench.pool()).await.unwrap();
    bench.append(&moved("a", 2)).await;
    let relay = bench.relay();
    let dead = stuck(&bench, true).await;
    assert!(dead.id == id && dead.error.contains("no JSON object"), "{dead:?}");
    // Somebody corrects it, and says so.
    sqlx::query("UPDATE outbox SET headers = '{}' WHERE id = $1").bind(id).execute(bench.pool()).await.unwrap();
    assert_eq!(bench.store.retry(Some(&[id])).await.unwrap(), 1);
    assert_eq!(bench.numbers("a", 2).await, [1, 2]);
    bench.empty().await;
    assert_eq!(bench.store.stuck().await.unwrap(), []);
    relay.stop().await;
}

#[tokio::test]
async fn events_of_a_topic_that_is_not_there_wait_for_it_and_others_do_not() {
    let bench = Bench::open().await;
    let insert = "INSERT INTO outbox (aggregatetype, aggregateid, type, payload) \
        SELECT 'parcel', 'a', 'parcel.lost', to_json(n) FROM generate_series(1, 3) AS n";
    sqlx::query(insert).execute(bench.pool()).await.unwrap();
    bench.append(&moved("a", 1)).await;
    let relay = bench.relay();
    assert_eq!(bench.numbers("a", 1).await, [1]);
    bench.append(&moved("a", 2)).await;
    assert_eq!(bench.numbers("a", 2).await, [1, 2]);
    assert_eq!(bench.store.backlog().await.unwrap().waiting, 3);
    bench.kafka.create("parcel.lost", 1).await;
    bench.empty().await;
    let records = bench.kafka.records("parcel.lost", 3).await;
    let values: Vec<_> = records.iter().map(|record| record.value.clone().unwrap()).collect();
    assert_eq!(values[values.len() - 3..], ["1", "2", "3"].map(bytes::Bytes::from));
    relay.stop().await;
}

#[tokio::test]
async fn a_relay_clears_away_what_nobody_needs_any_more() {
    let mut bench = Bench::open().await;
    bench.config.max_attempts = 1;
    let dead = append_huge(&bench, "a").await;
    let relay = bench.relay();
    assert_eq!(stuck(&bench, true).await.id, dead);
    relay.stop().await;
    let old = "INSERT INTO outbox_stuck (topic, key, position, tries, error) VALUES ('parcels', 'removed by hand', -1, 1, 'x'); \
        INSERT INTO inbox VALUES ('q', 'old', now() - INTERVAL '1 year'), ('q', 'new', now()); \
        INSERT INTO saga_replies VALUES ('old', '{}', now() - INTERVAL '1 year'), ('new', '{}', now())";
    sqlx::raw_sql(old).execute(bench.pool()).await.unwrap();
    let relay = bench.relay();
    let left = "SELECT array_agg(what ORDER BY what) FROM (SELECT key FROM outbox_stuck UNION ALL SELECT job_id FROM inbox \
        UNION ALL SELECT idempotency_key FROM saga_replies) AS left_over (what)";
    wait_until("nothing old to be left", SOON, async || {
        let left: Vec<String> = sqlx::query_scalar(left).fetch_one(bench.pool()).await.unwrap();
        left == ["a", "new", "new"]
    })
    .await;
    relay.stop().await;
    assert_eq!(stuck(&bench, true).await.id, dead);
}
