//! What other services write. The bytes are put together by hand, from the specifications: no code of this crate, nor of those that
//! it reads with, has made them.

use chrono::{DateTime, Utc};
use millgate_events::{BadValue, BadWire, DecodeError, Event, Incoming, SchemaRegistryConfig, Values};
use millgate_testkit::{SchemaKind, SchemaRegistryServer};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::bench::{framed, json, record, subject, values, values_with};

/// A record with everything that Avro has.
const EVERYTHING: &str = r#"{
  "type": "record", "name": "Everything", "namespace": "com.shop",
  "fields": [
    {"name": "flag", "type": "boolean"},
    {"name": "small", "type": "int"},
    {"name": "large", "type": "long"},
    {"name": "single", "type": "float"},
    {"name": "double", "type": "double"},
    {"name": "raw", "type": "bytes"},
    {"name": "four", "type": {"type": "fixed", "name": "Four", "size": 4}},
    {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["OPEN", "PAID"]}},
    {"name": "tags", "type": {"type": "array", "items": "string"}},
    {"name": "counts", "type": {"type": "map", "values": "long"}},
    {"name": "note", "type": ["null", "string"]},
    {"name": "none", "type": ["null", "string"]},
    {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
    {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
    {"name": "day", "type": {"type": "int", "logicalType": "date"}},
    {"name": "clock", "type": {"type": "int", "logicalType": "time-millis"}},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "exactly_at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "inner", "type": {"type": "record", "name": "Inner", "fields": [{"name": "state", "type": "State"}]}},
    {"name": "again", "type": ["null", "Inner"]}
  ]}"#;

/// Avro's numbers are zigzag: 0, -1, 1, -2 … are 0, 1, 2, 3 …, seven bits a byte, the lowest first.
fn everything() -> Vec<u8> {
    [
        &[1][..],                                                      // flag: true
        &[0x7f],                                                       // small: -64
        &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], // large: i64::MAX
        &[0xcd, 0xcc, 0xcc, 0x3d],                                     // single: 0.1, IEEE 754, lowest byte first
        &[0, 0, 0, 0, 0, 0, 0xf8, 0x3f],                               // double: 1.5
        &[0x06, 0xff, 0x00, 0x10],                                     // raw: 3 bytes
        &[1, 2, 3, 4],                                                 // four
        &[0x02],                                                       // state: the second
        &[0x04, 0x02, b'a', 0x02, b'b', 0x00],                         // tags: a block of 2, then none
        &[0x02, 0x02, b'x', 0x06, 0x00],                               // counts: a block of 1, x = 3
        &[0x02, 0x04, b'h', b'i'],                                     // note: the second of the union
        &[0x00],                                                       // none: the first
        &[0x04, 0xfb, 0x2e],                                           // price: -1234, two bytes in two's complement
        &[0x48],                                                       // id: 36 characters
        b"f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        &[0xae, 0xc1, 0x02],                   // day: 20567 days after 1970-01-01
        &[0xaa, 0xb2, 0x99, 0x2b],             // clock: 45296789 ms
        &[0x80, 0xa8, 0xa8, 0x94, 0x95, 0x67], // at: 1772366400000 ms
        &[0x02],                               // exactly_at: 1 µs
        &[0x00],                               // inner.state: the first
        &[0x02, 0x02],                         // again: the second of the union, its state the second
    ]
    .concat()
}

#[tokio::test]
async fn every_type_of_avro_becomes_what_serde_reads() {
    let (server, values) = (SchemaRegistryServer::shared().await, values().await);
    let schema = server.register(&subject(), SchemaKind::Avro, EVERYTHING).await;
    let told = json(&values, &record(framed(schema, &everything()))).await;
    let expected = json!({
        "flag": true, "small": -64, "large": i64::MAX, "single": 0.1, "double": 1.5,
        "raw": "/wAQ", "four": "AQIDBA==", "state": "PAID", "tags": ["a", "b"], "counts": { "x": 3 },
        "note": "hi", "none": null, "price": "-12.34", "id": "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        "day": "2026-04-24", "clock": "12:34:56.789", "at": "2026-03-01T12:00:00Z",
        "exactly_at": "1970-01-01T00:00:00.000001Z", "inner": { "state": "OPEN" }, "again": { "state": "PAID" },
    });
    assert_eq!(told, expected);
}

/// Of the second message in its file, and of one within the first.
const PLACED: &str = r#"syntax = "proto3";
package com.shop;
import "google/protobuf/timestamp.proto";
message Cart { string id = 1; message Line { int64 count = 1; } }
message Placed {
  string order_id = 1; int64 cents = 2; repeated string tags = 3; State state = 4;
  google.protobuf.Timestamp at = 5; map<string, int32> counts = 6; optional string note = 7; bytes raw = 8; double rate = 9;
  uint64 large = 10;
  enum State { OPEN = 0; PAID = 1; }
}"#;

/// A field is its number and kind, `number << 3 | kind`, and its value.
fn placed() -> Vec<u8> {
    [
        &[0x0a, 0x02, b'o', b'7'][..],                     // order_id
        &[0x10, 0xcf, 0x0f],                               // cents: 1999
        &[0x1a, 0x01, b'a', 0x1a, 0x01, b'b'],             // tags
        &[0x20, 0x01],                                     // state: PAID
        &[0x2a, 0x06, 0x08, 0xc0, 0xd4, 0x90, 0xcd, 0x06], // at: 1772366400 s
        &[0x32, 0x05, 0x0a, 0x01, b'x', 0x10, 0x03],       // counts: x = 3
        &[0x42, 0x02, 0xff, 0x00],                         // raw
        &[0x49, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f],             // rate: 1.5
    ]
    .concat()
}

#[tokio::test]
async fn a_message_of_protobuf_is_found_by_its_indexes() {
    let (server, values) = (SchemaRegistryServer::shared().await, values().await);
    let schema = server.register(&subject(), SchemaKind::Protobuf, PLACED).await;
    let read =
        async |indexes: &[u8], body: &[u8]| json(&values, &record(framed(schema, &[indexes, body].concat()))).await;
    // How many indexes, and the indexes, zigzag: the second message.
    let told = read(&[0x02, 0x02], &placed()).await;
    let expected = json!({
        "order_id": "o7", "cents": 1999, "tags": ["a", "b"], "state": "PAID", "at": "2026-03-01T12:00:00Z",
        "counts": { "x": 3 }, "raw": "/wA=", "rate": 1.5, "large": 0,
    });
    assert_eq!(told, expected, "with 64 bits as numbers, and with the default of what is not there");
    // The first message of a file is a single zero byte.
    assert_eq!(read(&[0x00], &[0x0a, 0x01, b'c']).await, json!({ "id": "c" }));
    assert_eq!(read(&[0x02, 0x00], &[0x0a, 0x01, b'c']).await, json!({ "id": "c" }), "and may be written out");
    assert_eq!(read(&[0x04, 0x00, 0x00], &[0x08, 0x05]).await, json!({ "count": 5 }), "a message within the first");
}

#[tokio::test]
async fn json_behind_an_id_is_that_json() {
    let (server, values) = (SchemaRegistryServer::shared().await, values().await);
    let schema = r#"{"title": "Placed", "type": "object", "properties": {"order": {"type": "string"}}}"#;
    let schema = server.register(&subject(), SchemaKind::Json, schema).await;
    let told = json(&values, &record(framed(schema, br#"{"order": "o7", "cents": 1999}"#))).await;
    assert_eq!(told, json!({ "order": "o7", "cents": 1999 }));
}

#[tokio::test]
async fn schemas_may_refer_to_others() {
    let (server, values) = (SchemaRegistryServer::shared().await, values().await);
    let address = subject();
    let text = r#"{"type": "record", "name": "Address", "namespace": "com.shop", "fields": [{"name": "town", "type": "string"}]}"#;
    server.register(&address, SchemaKind::Avro, text).await;
    let text = r#"{"type": "record", "name": "Customer", "namespace": "com.shop", "fields": [
        {"name": "name", "type": "string"}, {"name": "home", "type": "Address"}]}"#;
    let customer = server.register_with(&subject(), SchemaKind::Avro, text, &[("com.shop.Address", &address)]).await;
    let told = json(&values, &record(framed(customer, b"\x06Ann\x04Ur"))).await;
    assert_eq!(told, json!({ "name": "Ann", "home": { "town": "Ur" } }));

    let money = subject();
    server
        .register(
            &money,
            SchemaKind::Protobuf,
            "syntax = \"proto3\"; package com.pay; message Money { int64 cents = 1; }",
        )
        .await;
    let text = "syntax = \"proto3\"; package com.pay; import \"money.proto\"; message Paid { com.pay.Money sum = 1; }";
    let paid = server.register_with(&subject(), SchemaKind::Protobuf, text, &[("money.proto", &money)]).await;
    let told = json(&values, &record(framed(paid, &[0, 0x0a, 0x02, 0x08, 0x05]))).await;
    assert_eq!(told, json!({ "sum": { "cents": 5 } }));
}

#[tokio::test]
async fn what_cannot_be_read_says_why() {
    let (server, values) = (SchemaRegistryServer::shared().await, values().await);
    let avro = server.register(&subject(), SchemaKind::Avro, EVERYTHING).await;
    let protobuf = server.register(&subject(), SchemaKind::Protobuf, PLACED).await;
    let bad = async |value: Vec<u8>| match values.open(&record(value)).await.unwrap() {
        Err(BadValue::Wire(bad)) => bad,
        other => panic!("{other:?}"),
    };
    let unknown = bad(framed(4_000_017, b"{}")).await;
    assert_eq!(unknown.code(), "schema_unknown");
    assert!(unknown.to_string().starts_with("schema 4000017 is not in the registry http://127.0.0.1"), "{unknown}");
    assert!(matches!(bad(vec![0, 0, 0]).await, BadWire::Short { bytes: 3 }));
    for (what, value) in [
        ("it ends too early", framed(avro, &everything()[..20])),
        ("a text of two billion bytes", framed(avro, &[&everything()[..24], &[0xfe, 0xff, 0xff, 0xff, 0x0f]].concat())),
        ("no such message", framed(protobuf, &[0x02, 0x0e])),
        ("it ends within a field", framed(protobuf, &[0x02, 0x02, 0x0a, 0x7f, b'o'])),
    ] {
        let bad = bad(value).await;
        assert_eq!(bad.code(), "wire_unreadable", "{what}: {bad}");
    }
    let nobody = Values::default();
    let off = nobody.open(&record(framed(17, b""))).await.unwrap().unwrap_err();
    assert_eq!(off.code(), "schema_registry_off");
    assert!(off.to_string().contains("schema 17") && off.to_string().contains("schema_registry.url"), "{off}");
    // Those who ask no registry know what headers say, and what they have before them.
    let incoming = Incoming::read(&record(framed(17, b"")), "orders").unwrap().unwrap();
    assert_eq!(incoming.meta.event_type, "orders");
    assert!(matches!(incoming.data(), Err(DecodeError::WireFormat { schema: Some(17) })));
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Moved {
    item: String,
    by: i64,
    at: DateTime<Utc>,
}

impl Event for Moved {
    const TYPE: &'static str = "stock.moved";
    const VERSION: u32 = 2;

    fn key(&self) -> String {
        self.item.clone()
    }

    fn upcast(_: u32, mut data: Value) -> Result<Value, String> {
        data["by"] = data["by"].as_str().and_then(|by| by.parse::<i64>().ok()).ok_or("by is no number")?.into();
        Ok(data)
    }
}

#[tokio::test]
async fn a_schema_says_the_type_of_an_event_that_does_not_and_old_versions_are_lifted() {
    let server = SchemaRegistryServer::shared().await;
    let types = vec!["com.stock.Moved=stock.moved".into()];
    let values = values_with(SchemaRegistryConfig { types, ..SchemaRegistryConfig::default() }).await;
    let schema = |by: &str| {
        format!(
            r#"{{"type": "record", "name": "Moved", "namespace": "com.stock", "fields": [{{"name": "item", "type": "string"}},
            {{"name": "by", "type": "{by}"}}, {{"name": "at", "type": {{"type": "long", "logicalType": "timestamp-millis"}}}}]}}"#
        )
    };
    let now = server.register(&subject(), SchemaKind::Avro, &schema("long")).await;
    let before = server.register(&subject(), SchemaKind::Avro, &schema("string")).await;
    let at = DateTime::UNIX_EPOCH;
    let open = async |record| values.open(&record).await.unwrap().unwrap().record;

    let mut new = record(framed(now, b"\x06tea\x0a\0"));
    new.headers.push("event-version", "2");
    let incoming = Incoming::read(&open(new).await, "orders").unwrap().unwrap();
    assert_eq!(incoming.meta.event_type, "stock.moved");
    assert_eq!(incoming.decode::<Moved>().unwrap(), Moved { item: "tea".into(), by: 5, at });

    let mut old = record(framed(before, b"\x06tea\x025\0"));
    for (name, value) in [("ce_type", "stock.moved"), ("ce_id", "1"), ("ce_source", "java"), ("ce_specversion", "1.0")]
    {
        old.headers.push(name, value);
    }
    let incoming = Incoming::read(&open(old).await, "orders").unwrap().unwrap();
    assert_eq!((incoming.meta.version, incoming.meta.source.as_str()), (1, "java"), "CloudEvents around Avro");
    assert_eq!(incoming.decode::<Moved>().unwrap(), Moved { item: "tea".into(), by: 5, at });

    let mut other = record(framed(now, b"\x06tea\x0a\0"));
    other.headers.push("event-type", "stock.counted");
    let incoming = Incoming::read(&open(other).await, "orders").unwrap().unwrap();
    assert_eq!(incoming.meta.event_type, "stock.counted", "who says a type is believed");
}
