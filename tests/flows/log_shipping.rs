//! Log lines of services on topics, and whoever is told of errors.

use millgate_testkit::{free_port, wait_for};
use serde_json::Value;

use crate::{
    http::{address, wait_metric},
    shop::{PATIENCE, Shop, notification, order},
};

const LINES: &str = "logs-shop-topic";
const ERRORS: &str = "logs-error-topic";

async fn lines(shop: &Shop, topic: &str, count: usize) -> Vec<Value> {
    let records = shop.kafka.records(topic, count).await;
    records.iter().map(|record| serde_json::from_slice(record.value.as_ref().unwrap()).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_shipped_and_none_is_about_shipping() {
    let mut shop = Shop::open("log-shipping").await;
    shop.set("MILLGATE_LOG_SHIPPING_ENABLED", "true");
    shop.apply_topics().await;
    shop.set("MILLGATE_LOG_LEVEL", "trace");
    shop.set("MILLGATE_LOG_SHIPPING_LEVEL", "trace");
    let bridge = shop.start(&["bridge"]);
    let at = address(&bridge).await;
    shop.publish(&(0..5).map(order).collect::<Vec<_>>()).await;
    shop.kafka.put("order.created", 0, None, Some(b"{broken"), &[]).await;
    wait_metric(&at, "millgate_log_lines_shipped_total", &[], 1.0).await;
    wait_metric(&at, "millgate_bridge_events_poison_total", &[], 1.0).await;
    bridge.sigterm();
    assert!(bridge.wait_exit(PATIENCE).await.success(), "{}", bridge.output());
    let lines = lines(&shop, LINES, 1).await;
    let poison = lines.iter().find(|line| line["message"].as_str().is_some_and(|text| text.contains("is poison")));
    let poison = poison.expect("what the bridge said of the broken one");
    assert_eq!((&poison["level"], &poison["service"]), (&"warn".into(), &"shop".into()));
    assert_eq!(poison["fields"]["code"], "not_json");
    // The last line of all is there: it was waited for.
    assert!(lines.iter().any(|line| line["message"] == "bridge stops"), "{lines:#?}");
    for line in &lines {
        let (target, text) = (line["target"].as_str().unwrap(), line.to_string());
        assert!(!target.contains("rdkafka") && !target.contains("log_shipping"), "{line}");
        assert!(!text.contains(LINES) && !text.contains("-logs"), "a line about lines: {line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_errors_come_to_one_mail_however_many_count_them() {
    let mut shop = Shop::open("log-alerts").await;
    let (code, said) = {
        let child = shop.start(&["log-alerts"]);
        (child.wait_exit(PATIENCE).await.code(), child.output())
    };
    assert!(code == Some(2) && said.contains("log_alerts.to"), "{said}");
    shop.set("MILLGATE_LOG_SHIPPING_ENABLED", "true");
    shop.set("MILLGATE_LOG_ALERTS_TO", "ops@mail.example");
    shop.set("MILLGATE_LOG_ALERTS_THRESHOLD", "3");
    shop.apply_topics().await;
    let worker = shop.start(&["worker"]);
    let counting = [shop.start(&["log-alerts"]), shop.start(&["log-alerts"])];
    // A bridge without a Redis says so, again and again.
    let nowhere = format!("redis://127.0.0.1:{}/0", free_port());
    let bridge = shop.millgate(&["bridge"]).env("MILLGATE_REDIS_URL", nowhere).spawn();
    shop.publish(&[order(1)]).await;
    let to_ops = async || shop.smtp.mails_to("ops@mail.example").into_iter().next();
    let mail = wait_for("ops are told", PATIENCE, to_ops).await;
    assert!(mail.subject().starts_with("shop logs errors: 3 within 5m"), "{}", mail.subject());
    // Each of the two has counted them all by the time that both have said so.
    for child in &counting {
        child.wait_for_line("a service logs errors", PATIENCE).await;
    }
    // And has had it taken in, or not: a later job of the same queue shows that.
    shop.publish(&[notification("ann@mail.example")]).await;
    bridge.sigterm();
    bridge.wait_exit(PATIENCE).await;
    let healthy = shop.start(&["bridge", "--group", "main"]);
    shop.wait_done("email", "notification-email", 2).await;
    assert_eq!(shop.stats("email").await.kinds["notification-email"].enqueued, 2, "one of them is that of ann");
    assert!(healthy.is_running());
    assert!(lines(&shop, ERRORS, 3).await.iter().all(|line| line["level"] == "error"));
    assert!(worker.is_running());
}
