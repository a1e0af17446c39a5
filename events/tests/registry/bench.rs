//! What these tests have in common.

use std::sync::Arc;

use millgate_events::{Claims, Headers, Incoming, Record, SchemaRegistry, SchemaRegistryConfig, Value, Values};
use millgate_testkit::{SchemaRegistryServer, unique};

/// A registry at that URL, with nothing else set.
pub(crate) fn at(url: &str) -> SchemaRegistryConfig {
    SchemaRegistryConfig { url: url.to_owned(), ..SchemaRegistryConfig::default() }
}

/// Values that go by the shared registry.
pub(crate) async fn values() -> Values {
    values_with(SchemaRegistryConfig::default()).await
}

/// The same, with other settings than the usual ones.
pub(crate) async fn values_with(config: SchemaRegistryConfig) -> Values {
    let url = SchemaRegistryServer::shared().await.url();
    Values::new(Claims::default(), SchemaRegistry::open(&SchemaRegistryConfig { url, ..config }, "").unwrap())
}

/// A subject that nobody else has.
pub(crate) fn subject() -> String {
    format!("{}-value", unique("topic"))
}

/// A record of the topic `orders` with this value.
pub(crate) fn record(value: impl Into<Vec<u8>>) -> Record {
    let value: Vec<u8> = value.into();
    Record {
        topic: Arc::from("orders"),
        partition: 0,
        offset: 7,
        timestamp: Some(1_772_366_400_000),
        key: None,
        value: Some(value.into()),
        headers: Headers::new(),
    }
}

/// A value in the wire format, put together by hand: a zero byte, the id, the rest.
pub(crate) fn framed(schema: u32, body: &[u8]) -> Vec<u8> {
    let mut value = vec![0];
    value.extend(schema.to_be_bytes());
    value.extend(body);
    value
}

/// The JSON that a record comes to.
pub(crate) async fn json(values: &Values, record: &Record) -> Value {
    assert!(Values::is_closed(record));
    let opened = values.open(record).await.unwrap().unwrap();
    Incoming::read(&opened.record, "orders").unwrap().unwrap().data().unwrap().into_owned()
}
