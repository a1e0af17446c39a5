//! Confluent's wire format, as a user sets it up.

use millgate_testkit::{SchemaKind, SchemaRegistryServer};
use serde_json::Value;

use crate::shop::{PATIENCE, Shop, order};

#[tokio::test(flavor = "multi_thread")]
async fn orders_go_through_the_shop_in_the_wire_format_and_can_be_looked_at() {
    let server = SchemaRegistryServer::shared().await;
    let mut shop = Shop::open("registry").await;
    shop.set("MILLGATE_SCHEMA_REGISTRY_TOPICS", "order.created=json-schema");
    // A registry on a machine that is busy with tests.
    shop.set("MILLGATE_SCHEMA_REGISTRY_TIMEOUT", "1m");
    let refused = shop.start(&["doctor"]);
    assert!(!refused.wait_exit(PATIENCE).await.success(), "{}", refused.output());
    assert!(refused.output().contains("needs a registry; set schema_registry.url"), "{}", refused.output());
    shop.set("MILLGATE_SCHEMA_REGISTRY_URL", format!("http://{}", server.address()));
    let wrong = shop.start(&["doctor"]);
    assert!(!wrong.wait_exit(PATIENCE).await.success(), "{}", wrong.output());
    assert!(wrong.output().contains("FAIL  Schemas"), "{}", wrong.output());
    shop.set("MILLGATE_SCHEMA_REGISTRY_URL", server.url());
    let doctor = shop.run(&["doctor"]).await;
    assert!(doctor.contains("ok    Schemas"), "{doctor}");

    shop.publish(&[order(1), order(2)]).await;
    let records = shop.kafka.records("order.created", 2).await;
    assert!(records.iter().all(|record| record.value.as_deref().unwrap()[0] == 0), "{records:?}");
    let subject = format!("{}-value", shop.kafka.name("order.created"));
    let registered = server.get(&format!("/subjects/{subject}/versions/latest")).await;
    assert_eq!(registered["schemaType"], "JSON", "{registered}");
    // Of a service in another language, which knows nothing of our headers: a length and that many bytes, for each of four texts; a block of one
    // item, and none; a number.
    let schema = r#"{"type": "record", "name": "Order", "namespace": "com.shop", "fields": [
        {"name": "order_id", "type": "string"}, {"name": "customer_name", "type": "string"},
        {"name": "customer_email", "type": "string"}, {"name": "currency", "type": "string"},
        {"name": "items", "type": {"type": "array", "items": {"type": "record", "name": "Item",
            "fields": [{"name": "sku", "type": "string"}, {"name": "quantity", "type": "int"}]}}}, {"name": "total_cents", "type": "long"}]}"#;
    let schema = server.register(&subject.replace("-value", "-java"), SchemaKind::Avro, schema).await;
    let value =
        [&[0][..], &schema.to_be_bytes(), b"\x06o-3\x06Ann\x1aann@x.example\x06EUR\x02\x08lamp\x02\0\x02"].concat();
    let headers = [("event-type", "order.created"), ("event-id", "java-1"), ("event-version", "2")];
    shop.kafka.put("order.created", 0, Some(b"o-3"), Some(&value), &headers).await;

    let _bridge = shop.start(&["bridge"]);
    let _worker = shop.start(&["worker"]);
    shop.wait_done("inventory", "update-inventory", 3).await;
    shop.settle().await;

    let listed = shop.run(&["events", "list", "--topic", "order.created", "--json"]).await;
    let listed: Value = serde_json::from_str(&listed[listed.find('[').unwrap()..]).unwrap();
    let names = |view: &Value| view["payload"]["order_id"].as_str().unwrap_or_default().to_owned();
    let mut ids: Vec<_> = listed.as_array().unwrap().iter().map(names).collect();
    ids.sort();
    assert_eq!(ids, ["o-3", "order-1", "order-2"], "{listed}");
    let life = shop.run(&["trace", "java-1"]).await;
    assert!(life.contains("order.created") && life.contains("update-inventory"), "{life}");
}
