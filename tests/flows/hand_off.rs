//! From topics to queues: what is an event, what is none, and who hands it off.

use millgate_testkit::{Proxy, wait_until};

use crate::shop::{PATIENCE, Shop, order};

const TOPIC: &str = "order.created";
const KIND: &str = "update-inventory";

async fn handed_off(shop: &Shop) -> u64 {
    shop.stats("inventory").await.kinds.get(KIND).map_or(0, |kind| kind.enqueued)
}

async fn wait_committed(shop: &Shop) {
    wait_until("all offsets are committed", PATIENCE, async || {
        let committed: Vec<i64> =
            shop.kafka.committed(TOPIC).await.into_iter().map(Option::unwrap_or_default).collect();
        committed == shop.kafka.ends(TOPIC).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_event_twice_gives_one_job() {
    let shop = Shop::open("twice").await;
    let _bridge = shop.start(&["bridge"]);
    shop.publish(&[order(1), order(1)]).await;
    shop.publish(&[order(1), order(2)]).await;
    wait_until("both orders are there", PATIENCE, async || handed_off(&shop).await == 2).await;
    wait_committed(&shop).await;
    let kind = &shop.stats("inventory").await.kinds[KIND];
    assert_eq!((kind.enqueued, kind.duplicate), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_event_goes_to_the_dead_letter_topic_and_holds_nothing_up() {
    let shop = Shop::open("poison").await;
    let _bridge = shop.start(&["bridge"]);
    let cloud = |id: &'static str, event_type: &'static str, version: &'static str| {
        vec![
            ("ce_specversion", "1.0"),
            ("ce_id", id),
            ("ce_source", "/legacy"),
            ("ce_type", event_type),
            ("ce_dataversion", version),
            ("x-own", "kept"),
        ]
    };
    let plain = r#"{"order_id":"plain","customer_name":"Ada","customer_email":"ada@mail.example","items":[],
                    "total_cents":1,"currency":"EUR"}"#;
    // Each poison has a good one behind it, on the same partition.
    let records = [
        (Some("{broken"), cloud("p1", "order.created", "2")),
        (Some(plain), cloud("g1", "order.created", "2")),
        (Some(plain), cloud("p2", "order.exploded", "1")),
        (Some(plain), cloud("g2", "order.created", "2")),
        (Some(plain), cloud("p3", "order.created", "3")),
        (Some(plain), vec![("event-type", "order.created"), ("correlation-id", "c1"), ("event-version", "2")]),
        (None, vec![]),
        (Some(plain), cloud("g3", "order.created", "2")),
    ];
    for (value, headers) in &records {
        shop.kafka.put(TOPIC, 1, Some(b"key"), value.map(str::as_bytes), headers).await;
    }
    wait_until("all good ones are handed off", PATIENCE, async || handed_off(&shop).await == 4).await;
    wait_committed(&shop).await;

    let mut letters = shop.kafka.records("dead-letter-queue", 3).await;
    letters.sort_by_key(|letter| letter.headers.text("__dlq.errors.offset").map(str::to_owned));
    let told: Vec<(&str, &str)> = letters
        .iter()
        .map(|letter| {
            let text = |name: &str| letter.headers.text(name).unwrap_or("missing");
            (text("__dlq.errors.offset"), text("x-dlq-code"))
        })
        .collect();
    assert_eq!(told, [("0", "not_json"), ("2", "unknown_type"), ("4", "unknown_version")]);
    let broken = &letters[0];
    assert_eq!(broken.value.as_deref(), Some(b"{broken".as_slice()), "the original's bytes");
    assert_eq!(broken.key.as_deref(), Some(b"key".as_slice()));
    for (name, value) in [
        ("x-own", "kept"),
        ("ce_id", "p1"),
        ("x-dlq-kind", "event"),
        ("__dlq.errors.topic", shop.kafka.name(TOPIC).as_str()),
        ("__dlq.errors.partition", "1"),
        ("__dlq.errors.group", shop.kafka.config().consumer_group.as_str()),
    ] {
        assert_eq!(broken.headers.text(name), Some(value), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_away_in_the_middle_loses_and_doubles_nothing() {
    let mut shop = Shop::open("redis-away").await;
    let proxy = Proxy::to(&shop.redis.address());
    shop.set("MILLGATE_REDIS_URL", shop.redis.config_at(&proxy.address()).url);
    shop.set("MILLGATE_BRIDGE_BATCH_SIZE", "5");
    let orders: Vec<String> = (0..200).map(order).collect();
    let bridge = shop.start(&["bridge"]);
    let worker = shop.start(&["worker"]);
    shop.publish(&orders[..100]).await;
    wait_until("some are handed off", PATIENCE, async || handed_off(&shop).await >= 20).await;
    proxy.cut();
    shop.publish(&orders[100..]).await;
    bridge.wait_for_line("cannot hand off; trying on", PATIENCE).await;
    worker.wait_for_line("trying on", PATIENCE).await;
    proxy.restore();
    shop.wait_done("inventory", KIND, 200).await;
    shop.wait_done("email", "reminder-email", 200).await;
    shop.settle().await;
    assert_eq!(handed_off(&shop).await, 200);
    assert_eq!(shop.stock("lamp").await, 800);
    wait_committed(&shop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bridges_that_come_and_go_in_mid_traffic_lose_and_double_nothing() {
    let mut shop = Shop::open("rebalance").await;
    shop.set("MILLGATE_BRIDGE_BATCH_SIZE", "5");
    let orders: Vec<String> = (0..400).map(order).collect();
    let first = shop.start(&["bridge"]);
    first.wait_for_line("partitions assigned", PATIENCE).await;
    shop.publish(&orders[..200]).await;
    let second = shop.start(&["bridge"]);
    second.wait_for_line("partitions assigned", PATIENCE).await;
    shop.publish(&orders[200..300]).await;
    first.sigterm();
    assert!(first.wait_exit(PATIENCE).await.success(), "{}", first.output());
    let third = shop.start(&["bridge"]);
    shop.publish(&orders[300..]).await;
    third.wait_for_line("partitions assigned", PATIENCE).await;
    wait_until("all are handed off", PATIENCE, async || handed_off(&shop).await >= 400).await;
    wait_committed(&shop).await;
    // Kafka may refuse a commit during a rebalance; what comes again then is passed over.
    assert_eq!(handed_off(&shop).await, 400);
    for bridge in [second, third] {
        bridge.sigterm();
        assert!(bridge.wait_exit(PATIENCE).await.success(), "{}", bridge.output());
    }
}
