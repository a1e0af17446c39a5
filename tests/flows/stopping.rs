//! Being told to stop: work in hand is finished or handed back, and the exit code is 0.

use millgate_testkit::{Proxy, wait_until};

use crate::shop::{PATIENCE, Shop, notification, order};

async fn wait_active(shop: &Shop, queue: &str) {
    wait_until("a job is in hand", PATIENCE, async || shop.stats(queue).await.active == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_in_hand_is_finished() {
    let mut shop = Shop::open("stop-finish").await;
    let proxy = Proxy::to(&shop.database.address());
    shop.set("MILLGATE_POSTGRES_URL", shop.database.url_at(&proxy.address()));
    let bridge = shop.start(&["bridge"]);
    let worker = shop.start(&["worker", "--queues", "inventory"]);
    proxy.stall();
    shop.publish(&[order(1)]).await;
    wait_active(&shop, "inventory").await;
    worker.sigterm();
    worker.wait_for_line("worker stops", PATIENCE).await;
    proxy.restore();
    assert!(worker.wait_exit(PATIENCE).await.success(), "{}", worker.output());
    assert_eq!(shop.done("inventory", "update-inventory").await, 1);
    assert_eq!(shop.stock("lamp").await, 999);
    bridge.sigterm();
    assert!(bridge.wait_exit(PATIENCE).await.success(), "{}", bridge.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_takes_too_long_is_handed_back_without_spending_an_attempt() {
    let mut shop = Shop::open("stop-hand-back").await;
    shop.set("MILLGATE_WORKER_SHUTDOWN_TIMEOUT", "1s");
    let _bridge = shop.start(&["bridge"]);
    let worker = shop.start(&["worker"]);
    shop.publish(&[notification("hang@mail.example")]).await;
    wait_active(&shop, "email").await;
    worker.sigterm();
    assert!(worker.wait_exit(PATIENCE).await.success(), "{}", worker.output());
    let stats = shop.stats("email").await;
    assert_eq!((stats.waiting, stats.active), (1, 0), "it can be claimed at once");
    let kind = &stats.kinds["notification-email"];
    assert_eq!((kind.handed_back, kind.retried, kind.rescued), (1, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_exits_at_once_and_loses_nothing() {
    let mut shop = Shop::open("stop-twice").await;
    shop.set("MILLGATE_SMTP_TIMEOUT", "5m");
    let _bridge = shop.start(&["bridge"]);
    let worker = shop.start(&["worker"]);
    shop.publish(&[notification("hang@mail.example")]).await;
    wait_active(&shop, "email").await;
    worker.sigterm();
    worker.wait_for_line("worker stops", PATIENCE).await;
    worker.sigterm();
    assert_eq!(worker.wait_exit(PATIENCE).await.code(), Some(128 + 15));
    // Its lease ends, and another worker takes the job.
    let _worker = shop.start(&["worker"]);
    wait_until("the job is rescued", PATIENCE, async || {
        shop.stats("email").await.kinds["notification-email"].rescued == 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_that_cannot_hand_off_stops_all_the_same_and_its_events_come_again() {
    let mut shop = Shop::open("stop-bridge").await;
    let proxy = Proxy::to(&shop.redis.address());
    shop.set("MILLGATE_REDIS_URL", shop.redis.config_at(&proxy.address()).url);
    shop.set("MILLGATE_BRIDGE_DRAIN_TIMEOUT", "1s");
    proxy.cut();
    let bridge = shop.start(&["bridge"]);
    shop.publish(&[order(1)]).await;
    bridge.wait_for_line("cannot hand off; trying on", PATIENCE).await;
    bridge.sigterm();
    assert!(bridge.wait_exit(PATIENCE).await.success(), "{}", bridge.output());
    proxy.restore();
    let _bridge = shop.start(&["bridge"]);
    let _worker = shop.start(&["worker"]);
    shop.wait_done("inventory", "update-inventory", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_drains_does_what_can_run_and_says_what_is_left() {
    let mut shop = Shop::open("drain").await;
    shop.set("MILLGATE_SHOP_REMINDER_DELAY", "24h");
    let bridge = shop.start(&["bridge"]);
    shop.run(&["queues", "pause", "inventory"]).await;
    let orders: Vec<String> = (0..20).map(order).collect();
    shop.publish(&orders).await;
    wait_until("all is handed off", PATIENCE, async || {
        shop.stats("inventory").await.waiting == 20 && shop.stats("email").await.delayed == 20
    })
    .await;
    let said = shop.run(&["worker", "--drain"]).await;
    assert!(said.contains("20 waiting (as the queue is paused; `millgate queues resume inventory`)"), "{said}");
    assert!(said.contains("20 delayed (for later, or for their next attempt)"), "{said}");
    let email = shop.stats("email").await;
    assert_eq!((email.waiting, email.active, email.delayed), (0, 0, 20));
    assert_eq!(shop.done("email", "send-confirmation-email").await, 20);
    assert_eq!(shop.done("inventory", "update-inventory").await, 0);
    // What fails is tried again later, which is not now; what is dead is with the dead letters.
    shop.run(&["queues", "resume", "inventory"]).await;
    let left = shop.run(&["worker", "--drain", "--queues", "inventory", "--json"]).await;
    let left = &left[left.find("[\n").unwrap()..=left.rfind("\n]").unwrap() + 1];
    let left: serde_json::Value = serde_json::from_str(left).unwrap();
    assert_eq!((&left[0]["queue"], &left[0]["waiting"], &left[0]["dead"]), (&"inventory".into(), &0.into(), &0.into()));
    assert_eq!(shop.done("inventory", "update-inventory").await, 20);
    assert!(bridge.is_running());
}
