//! What is written in the wire format.

use std::time::Duration;

use millgate_events::{
    Claims, Event, Incoming, KafkaError, OutRecord, Outbox, Producer, Record, RegistryError, Relay, RelayConfig,
    SchemaRegistry, SchemaRegistryConfig, Values,
};
use millgate_testkit::{Database, HttpAnswer, HttpReceiver, KafkaSpace, Proxy, SchemaKind, SchemaRegistryServer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::bench::{at, framed};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Paid {
    order: String,
    cents: i64,
    note: Option<String>,
}

impl Event for Paid {
    const TYPE: &'static str = "order.paid";
    const TOPIC: &'static str = "payments";

    fn key(&self) -> String {
        self.order.clone()
    }

    fn schema() -> Option<schemars::Schema> {
        Some(schemars::schema_for!(Self))
    }
}

fn paid() -> Paid {
    Paid { order: "o7".into(), cents: 1999, note: None }
}

struct Bench {
    space: KafkaSpace,
    producer: Producer,
    subject: String,
}

impl Bench {
    /// A topic that is written so.
    async fn new(written: &str) -> Self {
        Self::at(&SchemaRegistryServer::shared().await.url(), written).await
    }

    async fn at(url: &str, written: &str) -> Self {
        let space = KafkaSpace::fresh("registry");
        space.create(Paid::TOPIC, 1).await;
        let topics = vec![format!("{}={written}", Paid::TOPIC)];
        let (latest_for, timeout) = (Duration::ZERO, Duration::from_secs(20));
        let config = SchemaRegistryConfig { topics, latest_for, timeout, ..at(url) };
        let registry = SchemaRegistry::open(&config, &space.config().topic_prefix).unwrap();
        let producer = Producer::new(&space.config(), "shop").unwrap();
        let producer = producer.with_values(Values::new(Claims::default(), registry));
        Self { subject: format!("{}-value", space.name(Paid::TOPIC)), space, producer }
    }

    async fn last(&self, count: usize) -> Record {
        self.space.records(Paid::TOPIC, count).await.pop().unwrap()
    }

    /// The event that a record of these bytes is to those who read it.
    async fn read(&self, record: &Record) -> Paid {
        let opened = self.producer.values().open(record).await.unwrap().unwrap();
        Incoming::read(&opened.record, Paid::TOPIC).unwrap().unwrap().decode().unwrap()
    }
}

fn problem(result: Result<millgate_events::Published, KafkaError>) -> RegistryError {
    match result.unwrap_err() {
        KafkaError::Registry(problem) => problem,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn json_goes_behind_the_id_of_the_schema_of_its_type() {
    let (server, bench) = (SchemaRegistryServer::shared().await, Bench::new("json-schema").await);
    bench.producer.publish(&paid()).await.unwrap();
    let record = bench.last(1).await;
    let registered = server.get(&format!("/subjects/{}/versions/latest", bench.subject)).await;
    assert_eq!(registered["schemaType"], "JSON", "{registered}");
    let schema = u32::try_from(registered["id"].as_u64().unwrap()).unwrap();
    assert_eq!(record.value.as_deref().unwrap(), framed(schema, &serde_json::to_vec(&paid()).unwrap()));
    let text: serde_json::Value = serde_json::from_str(registered["schema"].as_str().unwrap()).unwrap();
    assert_eq!(text, Paid::schema().unwrap().to_value(), "what is registered is the schema of what is read");
    assert_eq!(record.headers.text("ce_dataschema"), Some(format!("{}/schemas/ids/{schema}", server.url()).as_str()));
    assert_eq!(record.headers.text("ce_type"), Some(Paid::TYPE));
    assert_eq!(bench.read(&record).await, paid());

    for result in bench.producer.publish_batch(&[paid(), paid()]).await {
        result.unwrap();
    }
    let versions = server.get(&format!("/subjects/{}/versions", bench.subject)).await;
    assert_eq!(versions, json!([1]), "registered once");
    assert_eq!(bench.last(3).await.value, record.value);
}

#[tokio::test]
async fn what_is_in_the_wire_format_already_or_has_no_value_goes_as_it_is() {
    let bench = Bench::new("json-schema").await;
    for (count, value) in [(1, Some(bytes::Bytes::from(framed(17, b"\x02")))), (2, None)] {
        let record = OutRecord { topic: Paid::TOPIC.into(), value: value.clone(), ..OutRecord::default() };
        bench.producer.publish_record(record).await.unwrap();
        assert_eq!(bench.last(count).await.value, value);
    }
}

/// With a field that events do not have, and that has a default.
const AVRO: &str = r#"{"type": "record", "name": "Paid", "namespace": "com.pay", "fields": [
    {"name": "order", "type": "string"},
    {"name": "cents", "type": "long"},
    {"name": "currency", "type": {"type": "enum", "name": "Currency", "symbols": ["EUR", "USD"]}, "default": "USD"},
    {"name": "note", "type": ["null", "string"], "default": null}]}"#;

#[tokio::test]
async fn avro_is_written_by_the_newest_schema_of_the_topic() {
    let (server, bench) = (SchemaRegistryServer::shared().await, Bench::new("latest").await);
    let nothing = problem(bench.producer.publish(&paid()).await);
    assert!(nothing.to_string().contains(&bench.subject) && !nothing.is_transient(), "{nothing}");

    let first = server.register(&bench.subject, SchemaKind::Avro, AVRO).await;
    bench.producer.publish(&paid()).await.unwrap();
    let record = bench.last(1).await;
    // `o7`, 1999 in zigzag, the second symbol, the first of the union.
    assert_eq!(record.value.as_deref().unwrap(), framed(first, b"\x04o7\x9e\x1f\x02\0"));
    assert_eq!(record.headers.text("content-type"), Some("application/avro"));

    let noted = Paid { note: Some("hi".into()), ..paid() };
    let newest = AVRO.replace(r#""default": "USD""#, r#""default": "EUR""#);
    let newest = server.register(&bench.subject, SchemaKind::Avro, &newest).await;
    bench.producer.publish(&noted).await.unwrap();
    let record = bench.last(2).await;
    assert_ne!(first, newest);
    assert_eq!(record.value.as_deref().unwrap(), framed(newest, b"\x04o7\x9e\x1f\0\x02\x04hi"));
}

#[tokio::test]
async fn what_does_not_fit_the_schema_says_where_and_is_not_sent() {
    let (server, bench) = (SchemaRegistryServer::shared().await, Bench::new("latest").await);
    let schema = AVRO.replace(r#"{"name": "cents", "type": "long"},"#, "");
    server.register(&bench.subject, SchemaKind::Avro, &schema).await;
    let unfit = problem(bench.producer.publish(&paid()).await);
    assert!(unfit.to_string().ends_with("cents: the schema has no such field"), "{unfit}");
    assert!(!unfit.is_transient());
    assert_eq!(bench.space.ends(Paid::TOPIC).await, [0]);
    let unasked = bench.producer.send(&paid()).map(drop).unwrap_err();
    assert!(unasked.to_string().contains("use `publish`"), "{unasked}");
}

#[tokio::test]
async fn protobuf_is_written_by_the_newest_schema_of_the_topic() {
    let (server, bench) = (SchemaRegistryServer::shared().await, Bench::new("latest").await);
    let schema = r#"syntax = "proto3"; package com.pay;
        message Paid { string order = 1; int64 cents = 2; optional string note = 3; }"#;
    let id = server.register(&bench.subject, SchemaKind::Protobuf, schema).await;
    bench.producer.publish(&paid()).await.unwrap();
    let record = bench.last(1).await;
    assert_eq!(record.value.as_deref().unwrap(), framed(id, b"\0\x0a\x02o7\x10\xcf\x0f"));
    assert_eq!(record.headers.text("content-type"), Some("application/protobuf"));
    assert_eq!(bench.read(&record).await, paid());
}

#[tokio::test]
async fn a_type_without_a_schema_is_not_written_as_json_schema() {
    let bench = Bench::new("json-schema").await;
    let mut record = OutRecord { topic: Paid::TOPIC.into(), value: Some("{}".into()), ..OutRecord::default() };
    record.headers.push("ce_type", "order.refunded");
    let problem = problem(bench.producer.publish_record(record).await);
    assert!(problem.to_string().contains("order.refunded has no schema"), "{problem}");
}

#[tokio::test]
async fn the_outbox_waits_for_the_registry_and_loses_nothing() {
    let server = SchemaRegistryServer::shared().await;
    // What stands before registries says so while they are away.
    let mut gateway = HttpReceiver::start(async |_| HttpAnswer::status(503)).await;
    let proxy = Proxy::to(&format!("127.0.0.1:{}", gateway.port()));
    let bench = Bench::at(&SchemaRegistryServer::url_at(&proxy.address()), "json-schema").await;
    bench.producer.values().registry().learn::<Paid>();
    let database = Database::fresh(None).await;
    millgate_events::migrate(database.pool()).await.unwrap();
    let outbox = Outbox::new("shop");
    let mut transaction = database.pool().begin().await.unwrap();
    outbox.append(&mut transaction, &paid()).await.unwrap();
    outbox.append(&mut transaction, &Paid { cents: 5, ..paid() }).await.unwrap();
    transaction.commit().await.unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let relay = Relay::new(database.pool().clone(), bench.producer.clone(), RelayConfig::default());
    let running = tokio::spawn(relay.run(stop.clone()));
    gateway.next().await;
    gateway.next().await;
    assert_eq!(bench.space.ends(Paid::TOPIC).await, [0], "it tries, and does without nothing");
    proxy.redirect(server.address());
    let record = bench.last(2).await;
    assert_eq!(bench.read(&record).await, Paid { cents: 5, ..paid() });
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn of_many_who_wait_for_a_registry_that_is_away_one_finds_it_out() {
    let open = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let gate = open.clone();
    let mut gateway = HttpReceiver::start(move |_| {
        let gate = gate.clone();
        async move {
            let _passes = gate.acquire().await;
            HttpAnswer::status(503)
        }
    })
    .await;
    let bench = Bench::at(&gateway.url(""), "json-schema").await;
    bench.producer.values().registry().learn::<Paid>();
    let many = async |count: u32| {
        let all = (0..count).map(|_| {
            let producer = bench.producer.clone();
            tokio::spawn(async move { producer.publish(&paid()).await })
        });
        for published in futures::future::join_all(all.collect::<Vec<_>>()).await {
            let problem = problem(published.unwrap());
            assert!(matches!(problem, RegistryError::Away { .. }) && problem.to_string().contains("503"), "{problem}");
        }
    };
    // The first request is answered when all have begun.
    let (asked, ()) = tokio::join!(gateway.next(), async {
        tokio::join!(many(20), async { open.add_permits(1) });
    });
    assert!(asked.line.starts_with("POST /subjects/"), "{}", asked.line);
    let together = gateway.rest().len();
    many(1).await;
    assert_eq!(together + 1, gateway.rest().len(), "twenty ask as often as one");
}
