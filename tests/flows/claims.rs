//! Large values by the claim store, as a user sets it up.

use millgate_testkit::{Child, Folder};
use serde_json::Value;

use crate::shop::{PATIENCE, Shop, order};

/// The same order with a note of so many bytes.
fn noted(number: usize, bytes: usize) -> String {
    let mut line: Value = serde_json::from_str(&order(number)).unwrap();
    line["data"]["note"] = "n".repeat(bytes).into();
    line.to_string()
}

/// Runs to an end that is no good one.
async fn fail(shop: &Shop, arguments: &[&str]) -> Child {
    let child = shop.start(arguments);
    assert!(!child.wait_exit(PATIENCE).await.success(), "{}", child.output());
    child
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_too_large_for_kafka_is_worked_off() {
    let mut shop = Shop::open("claims").await;
    let folder = Folder::new("claims");
    let file = folder.path().join("orders.jsonl");
    let lines = [order(1), noted(2, 1_500_000), noted(3, 5_000_000)];
    std::fs::write(&file, lines.join("\n")).unwrap();
    let publish = ["publish", file.to_str().unwrap()];
    let off = fail(&shop, &["claims", "stats"]).await;
    assert!(off.output().contains("there is no claim store"), "{}", off.output());

    let store = format!("file://{}/store", folder.path().display());
    shop.set("MILLGATE_CLAIM_CHECK_STORE", &store);
    let refused = fail(&shop, &publish).await;
    assert!(refused.output().contains("millgate claims init"), "{}", refused.output());
    let doctor = fail(&shop, &["doctor"]).await;
    assert!(doctor.output().contains("FAIL  Claims"), "{}", doctor.output());

    shop.run(&["claims", "init"]).await;
    // The same ids again, so that what went through the first time is no second order.
    shop.run(&publish).await;
    let _bridge = shop.start(&["bridge"]);
    let _worker = shop.start(&["worker"]);
    shop.wait_done("inventory", "update-inventory", 3).await;
    shop.settle().await;
    assert_eq!(shop.stock("lamp").await, 997);

    let stats = shop.run(&["claims", "stats", "--json"]).await;
    let stats: Value = serde_json::from_str(&stats[stats.find('{').unwrap()..]).unwrap();
    assert_eq!(stats["values"], 2, "{stats}");
    let would = shop.run(&["claims", "expire", "--older-than", "1d"]).await;
    assert!(would.contains("0 values") && would.contains("warning: records of"), "{would}");
    let doctor = shop.run(&["doctor"]).await;
    assert!(doctor.contains("ok    Claims") && doctor.contains("takes values over 900kB"), "{doctor}");
}
