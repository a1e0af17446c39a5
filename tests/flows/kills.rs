//! kill -9 in the middle of traffic: nothing is lost, and nothing is done twice that may be done once.

use std::collections::HashMap;

use millgate_testkit::wait_until;

use crate::shop::{PATIENCE, Shop, order};

const ORDERS: usize = 300;

/// Every order has its mail and its lamp; `mails` may be sent again where a worker died after sending.
async fn check_books(shop: &Shop, again: usize) {
    let inventory = shop.stats("inventory").await;
    assert_eq!(inventory.kinds["update-inventory"].enqueued, ORDERS as u64, "each event gives its job once");
    assert_eq!(inventory.done(), ORDERS as u64);
    assert_eq!(shop.stock("lamp").await, 1_000 - i32::try_from(ORDERS).unwrap(), "each order takes its lamp once");
    let email = shop.stats("email").await;
    assert_eq!(email.kinds["send-confirmation-email"].done, ORDERS as u64);
    assert_eq!(email.kinds["reminder-email"].done, ORDERS as u64);

    let mut mails: HashMap<String, usize> = HashMap::new();
    let sent = shop.smtp.mails();
    for mail in &sent {
        *mails.entry(mail.header("Message-ID").unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!(mails.len(), 2 * ORDERS, "each job's mail arrives");
    assert!(sent.len() - mails.len() <= again, "{} mails came again", sent.len() - mails.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_killed_in_mid_traffic_loses_and_doubles_nothing() {
    let mut shop = Shop::open("kill-bridge").await;
    // Small batches and rare commits, so that a kill finds much that is handed off and not committed.
    shop.set("MILLGATE_BRIDGE_BATCH_SIZE", "5");
    shop.set("MILLGATE_BRIDGE_COMMIT_INTERVAL", "1m");
    let orders: Vec<String> = (0..ORDERS).map(order).collect();
    shop.publish(&orders).await;
    let worker = shop.start(&["worker"]);
    let mut said = String::new();
    for kill in 1..=3 {
        let bridge = shop.start(&["bridge"]);
        // The one before is only missed when its session ends; then this one begins where that one began.
        let target = ORDERS * kill / 4;
        wait_until("some orders are handed off", PATIENCE, async || {
            let stats = shop.stats("inventory").await;
            stats.kinds.get("update-inventory").is_some_and(|kind| kind.enqueued >= target as u64)
        })
        .await;
        bridge.kill9();
        said.push_str(&bridge.output());
    }
    let bridge = shop.start(&["bridge"]);
    shop.wait_done("inventory", "update-inventory", ORDERS as u64).await;
    shop.wait_done("email", "reminder-email", ORDERS as u64).await;
    shop.settle().await;
    check_books(&shop, 0).await;
    said.push_str(&bridge.output());
    assert!(said.contains("handed off up to here before"), "the kills came between a hand-off and its commit: {said}");
    // It need not even come to the jobs' ids.
    assert_eq!(shop.stats("inventory").await.kinds["update-inventory"].duplicate, 0);
    for child in [bridge, worker] {
        child.sigterm();
        assert!(child.wait_exit(PATIENCE).await.success(), "{}", child.output());
    }
    let ends = shop.kafka.ends("order.created").await;
    let committed = shop.kafka.committed("order.created").await;
    let committed: Vec<i64> = committed.into_iter().map(Option::unwrap_or_default).collect();
    assert_eq!(committed, ends, "a bridge that is stopped has committed what it handed off");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_in_mid_traffic_loses_nothing() {
    let mut shop = Shop::open("kill-worker").await;
    shop.set("MILLGATE_WORKER_CONCURRENCY", "8");
    let orders: Vec<String> = (0..ORDERS).map(order).collect();
    shop.publish(&orders).await;
    let _bridge = shop.start(&["bridge"]);
    for kill in 1..=3 {
        let worker = shop.start(&["worker"]);
        let target = (ORDERS * kill / 5) as u64;
        shop.wait_done("inventory", "update-inventory", target).await;
        worker.kill9();
    }
    let _worker = shop.start(&["worker"]);
    shop.wait_done("inventory", "update-inventory", ORDERS as u64).await;
    shop.wait_done("email", "send-confirmation-email", ORDERS as u64).await;
    shop.wait_done("email", "reminder-email", ORDERS as u64).await;
    shop.settle().await;
    // Whatever each of three dead workers had in hand may have been sent already.
    check_books(&shop, 3 * 8).await;
    let rescued: u64 = shop.stats("email").await.kinds.values().map(|kind| kind.rescued).sum();
    assert!(rescued > 0, "the kills came while jobs were in hand");
}
