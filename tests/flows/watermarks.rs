//! A Redis that loses everything: the bridge says what to type, and that helps.

use millgate_testkit::wait_until;

use crate::shop::{PATIENCE, Shop, order};

async fn handed_off(shop: &Shop) -> u64 {
    shop.stats("inventory").await.kinds.get("update-inventory").map_or(0, |kind| kind.enqueued)
}

async fn lose_everything(shop: &Shop) {
    for key in shop.redis.keys().await {
        shop.redis.command::<()>(&["DEL", &key]).await;
    }
}

/// A shop whose bridge has handed off ten orders, and then Redis forgot all about them.
async fn forgetful(name: &str) -> Shop {
    let shop = Shop::open(name).await;
    let orders: Vec<String> = (0..10).map(order).collect();
    shop.publish(&orders).await;
    let bridge = shop.start(&["bridge"]);
    wait_until("all are handed off", PATIENCE, async || handed_off(&shop).await == 10).await;
    bridge.sigterm();
    assert!(bridge.wait_exit(PATIENCE).await.success(), "{}", bridge.output());
    let list = shop.run(&["watermarks", "list"]).await;
    assert!(list.contains("inventory") && !list.contains("lost"), "{list}");
    lose_everything(&shop).await;
    shop
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_lost_is_given_up_by_the_command_that_the_bridge_names() {
    let shop = forgetful("go-on").await;
    let bridge = shop.start(&["bridge"]);
    bridge.wait_for_line("`millgate watermarks go-on --queue inventory`", PATIENCE).await;
    let child = shop.start(&["watermarks", "list", "--json", "--queue", "inventory"]);
    assert_eq!(child.wait_exit(PATIENCE).await.code(), Some(1), "{}", child.output());
    let found: serde_json::Value = serde_json::from_str(&child.output()).unwrap();
    assert!(found.as_array().unwrap().iter().all(|state| state["finding"] == "empty"), "{found}");

    shop.publish(&[order(10), order(11)]).await;
    let said = shop.run(&["watermarks", "go-on", "--queue", "inventory"]).await;
    assert!(said.contains("queue inventory goes on behind offset"), "{said}");
    wait_until("the new ones are handed off", PATIENCE, async || handed_off(&shop).await == 2).await;
    bridge.sigterm();
    assert!(
        bridge.wait_exit(PATIENCE).await.success(),
        "what waits for people holds up no shutdown: {}",
        bridge.output()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn or_is_handed_off_again_by_the_other_one() {
    let shop = forgetful("rewind").await;
    let bridge = shop.start(&["bridge"]);
    bridge.wait_for_line("`millgate watermarks rewind --queue inventory --by 1h`", PATIENCE).await;
    shop.run(&["watermarks", "rewind", "--queue", "inventory", "--by", "1h"]).await;
    wait_until("all are handed off again", PATIENCE, async || handed_off(&shop).await == 10).await;
    let unknown = shop.start(&["watermarks", "go-on", "--queue", "invention"]);
    assert_eq!(unknown.wait_exit(PATIENCE).await.code(), Some(2));
    assert!(unknown.output().contains("inventory"), "{}", unknown.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_can_be_told_beforehand() {
    let mut shop = forgetful("told").await;
    shop.set("MILLGATE_BRIDGE_WHEN_REDIS_IS_EMPTY", "rewind");
    let _bridge = shop.start(&["bridge"]);
    wait_until("all are handed off again", PATIENCE, async || handed_off(&shop).await == 10).await;
}
