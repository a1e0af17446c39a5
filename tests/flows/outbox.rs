//! `millgate relay` and `millgate outbox`, as they are run in production.

use std::collections::HashMap;

use millgate::{Event, Outbox};
use millgate_events::{OutboxStore, Record};
use millgate_testkit::{Child, wait_for, wait_until};
use serde::{Deserialize, Serialize};

use crate::shop::{PATIENCE, Shop};

const KEYS: usize = 9;
const EACH: usize = 400;

/// Takes the place of the shop's own event, on its topic.
#[derive(Serialize, Deserialize, Event)]
#[event(type = "order.confirmed", key = "order_id")]
struct Confirmed {
    order_id: String,
    n: usize,
}

/// The one of these relays that publishes.
async fn leader(relays: &mut Vec<Child>) -> Child {
    let at = wait_for("one publishes", PATIENCE, async || {
        relays.iter().position(|relay| relay.output().contains("publishing the outbox"))
    });
    let at = at.await;
    relays.remove(at)
}

/// Numbers of a key's events in the order in which each was first there.
fn first_copies(records: &[Record], key: &str) -> Vec<usize> {
    let mut numbers: Vec<usize> = Vec::new();
    for record in records.iter().filter(|record| record.key.as_deref() == Some(key.as_bytes())) {
        let n = serde_json::from_slice::<Confirmed>(record.value.as_ref().unwrap()).unwrap().n;
        if !numbers.contains(&n) {
            numbers.push(n);
        }
    }
    numbers
}

#[tokio::test(flavor = "multi_thread")]
async fn relays_that_are_killed_in_mid_traffic_lose_nothing_and_keep_the_order_of_each_key() {
    let mut shop = Shop::open("kill-relay").await;
    shop.set("MILLGATE_RELAY_BATCH_SIZE", "40");
    shop.set("MILLGATE_RELAY_POLL_INTERVAL", "200ms");
    let store = OutboxStore::new(shop.database.pool().clone());
    let mut relays = vec![shop.start(&["relay"]), shop.start(&["relay"])];
    let (pool, outbox) = (shop.database.pool().clone(), Outbox::new("shop"));
    let writing = tokio::spawn(async move {
        for n in 0..EACH {
            let mut transaction = pool.begin().await.unwrap();
            for key in 0..KEYS {
                let event = Confirmed { order_id: format!("k{key}"), n };
                outbox.append(&mut transaction, &event).await.unwrap();
            }
            transaction.commit().await.unwrap();
        }
    });
    for kill in 1..=3 {
        let target = i64::try_from(KEYS * EACH * kill / 5).unwrap();
        wait_until("some are published", PATIENCE, async || {
            shop.kafka.ends("order.confirmed").await.iter().sum::<i64>() >= target
        })
        .await;
        leader(&mut relays).await.kill9();
        relays.push(shop.start(&["relay"]));
    }
    writing.await.unwrap();
    wait_until("the outbox is empty", PATIENCE, async || store.backlog().await.unwrap().waiting == 0).await;
    let records = shop.kafka.records("order.confirmed", KEYS * EACH).await;
    for key in 0..KEYS {
        assert_eq!(first_copies(&records, &format!("k{key}")), (0..EACH).collect::<Vec<_>>(), "k{key}");
    }
    // What a killed relay had on its way may be there again, and no more.
    let mut copies: HashMap<String, usize> = HashMap::new();
    for record in &records {
        *copies.entry(record.headers.text("ce_id").unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!(copies.len(), KEYS * EACH);
    assert!(records.len() - copies.len() <= 3 * 40, "{} copies", records.len() - copies.len());
    for relay in relays {
        relay.sigterm();
        assert!(relay.wait_exit(PATIENCE).await.success(), "{}", relay.output());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_freezes_does_not_keep_the_others_from_publishing() {
    let shop = Shop::open("frozen-relay").await;
    let store = OutboxStore::new(shop.database.pool().clone());
    let mut relays = vec![shop.start(&["relay"])];
    let frozen = leader(&mut relays).await;
    let standing_by = shop.start(&["relay"]);
    standing_by.wait_for_line("standing by", PATIENCE).await;
    frozen.freeze();
    let mut database = shop.database.pool().acquire().await.unwrap();
    for n in 0..10 {
        Outbox::new("shop").append(&mut database, &Confirmed { order_id: "k".into(), n }).await.unwrap();
    }
    standing_by.wait_for_line("publishing the outbox", PATIENCE).await;
    wait_until("the outbox is empty", PATIENCE, async || store.backlog().await.unwrap().waiting == 0).await;
    frozen.thaw();
    Outbox::new("shop").append(&mut database, &Confirmed { order_id: "k".into(), n: 10 }).await.unwrap();
    let records = shop.kafka.records("order.confirmed", 11).await;
    assert_eq!(first_copies(&records, "k"), (0..=10).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_shown_and_people_decide() {
    let mut shop = Shop::open("stuck").await;
    shop.set("MILLGATE_RELAY_MAX_ATTEMPTS", "1");
    assert_eq!(shop.run(&["outbox", "list"]).await.trim(), "no events wait");
    let insert = "INSERT INTO outbox (aggregatetype, aggregateid, type, payload, headers) VALUES \
        ('order', 'o1', 'order.confirmed', '{}', '[]'), ('order', 'o1', 'order.confirmed', '{}', '{}'), \
        ('order', 'o2', 'order.confirmed', '{}', '[]')";
    sqlx::query(insert).execute(shop.database.pool()).await.unwrap();
    let relay = shop.start(&["relay"]);
    relay.wait_for_line("an event of the outbox is dead, and its key waits", PATIENCE).await;
    let listed =
        async || -> serde_json::Value { serde_json::from_str(&shop.run(&["outbox", "list", "--json"]).await).unwrap() };
    wait_until("both are dead", PATIENCE, async || listed().await["stuck"].as_array().unwrap().len() == 2).await;
    let list = listed().await;
    let of = |key: &str| list["stuck"].as_array().unwrap().iter().find(|stuck| stuck["key"] == key).unwrap().clone();
    assert_eq!((list["waiting"].as_u64(), of("o1")["behind"].as_u64()), (Some(3), Some(1)));
    let id = of("o1")["id"].as_str().unwrap().to_owned();
    let said = shop.run(&["outbox", "list"]).await;
    assert!(
        said.contains(&format!("{id}  dead, refused 1 times: order.confirmed, key o1, 1 wait behind it")),
        "{said}"
    );
    assert!(said.contains("no JSON object"), "{said}");

    let said = shop.run(&["doctor"]).await;
    assert!(
        said.contains("2 keys of the outbox are stuck") && said.contains("`millgate outbox list` says why"),
        "{said}"
    );

    shop.run(&["outbox", "discard", &id]).await;
    shop.kafka.records("order.confirmed", 1).await;
    let again = shop.start(&["outbox", "discard", &id]);
    assert_eq!(again.wait_exit(PATIENCE).await.code(), Some(2));
    sqlx::query("UPDATE outbox SET headers = '{}'").execute(shop.database.pool()).await.unwrap();
    assert_eq!(shop.run(&["outbox", "retry", "--all"]).await.trim(), "1 events are tried again");
    shop.kafka.records("order.confirmed", 2).await;
    wait_until("nothing is left", PATIENCE, async || listed().await["waiting"] == 0).await;
}
