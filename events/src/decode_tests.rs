use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::*;
use crate::Headers;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Paid {
    payment_id: String,
    cents: i64,
}

impl Event for Paid {
    const TYPE: &'static str = "payment.created";
    const VERSION: u32 = 2;
    fn key(&self) -> String {
        self.payment_id.clone()
    }
    fn upcast(from: u32, mut data: Value) -> Result<Value, String> {
        let units = data["amount"].as_i64().ok_or_else(|| format!("version {from} has no amount"))?;
        data["cents"] = json!(units * 100);
        Ok(data)
    }
}

fn record(headers: &[(&str, &str)], value: Option<&str>) -> Record {
    Record {
        topic: "payment.created".into(),
        partition: 3,
        offset: 42,
        timestamp: Some(1_700_000_000_000),
        key: Some(Bytes::from_static(b"p1")),
        value: value.map(|text| Bytes::copy_from_slice(text.as_bytes())),
        headers: headers.iter().copied().collect::<Headers>(),
    }
}

fn read(record: &Record) -> Result<Option<Incoming>, DecodeError> {
    Incoming::read(record, "payment.created")
}

#[test]
fn what_is_written_is_read() {
    let event = Paid { payment_id: "p1".into(), cents: 5 };
    let time = DateTime::from_timestamp_millis(1_700_000_000_123).unwrap();
    let meta = EventMeta { subject: Some("p1".into()), ..EventMeta::new::<Paid>("shop", time) };
    let mut written = record(&[], Some(&serde_json::to_string(&event).unwrap()));
    written.headers = meta.to_headers("application/json");
    let incoming = read(&written).unwrap().unwrap();
    assert_eq!(*incoming.meta, meta);
    assert_eq!(incoming.decode::<Paid>().unwrap(), event);
}

#[test]
fn structured_mode_is_read() {
    let value = json!({
        "specversion": "1.0", "id": "e1", "source": "/pay", "type": "payment.created", "dataversion": 2,
        "time": "2026-01-02T03:04:05Z", "data": { "payment_id": "p1", "cents": 7 }
    });
    let record = record(&[("content-type", "application/cloudevents+json; charset=utf-8")], Some(&value.to_string()));
    let incoming = read(&record).unwrap().unwrap();
    assert_eq!((incoming.meta.id.as_str(), incoming.meta.source.as_str()), ("e1", "/pay"));
    assert_eq!(incoming.decode::<Paid>().unwrap().cents, 7);
}

#[test]
fn plain_json_is_read_with_headers_fields_or_neither() {
    let headers = [("event-type", "payment.created"), ("correlation-id", "c1"), ("event-version", "2")];
    let incoming = read(&record(&headers, Some(r#"{"payment_id":"p1","cents":7}"#))).unwrap().unwrap();
    assert_eq!(incoming.meta.correlation_id, "c1");
    assert_eq!(incoming.meta.id, "payment.created/3/42@1700000000000");
    assert_eq!(incoming.meta.time.timestamp(), 1_700_000_000);
    assert_eq!(incoming.decode::<Paid>().unwrap().cents, 7);

    let value = r#"{"eventType":"payment.created","eventId":"e9","version":"1.0","payment_id":"p1","amount":3}"#;
    let incoming = read(&record(&[], Some(value))).unwrap().unwrap();
    assert_eq!((incoming.meta.id.as_str(), incoming.meta.version), ("e9", 1));
    assert_eq!(incoming.decode::<Paid>().unwrap().cents, 300);

    let headers = [("event-type", "unknown")];
    let incoming = read(&record(&headers, Some(r#"{"payment_id":"p1","amount":3}"#))).unwrap().unwrap();
    assert_eq!(incoming.meta.event_type, "payment.created");
}

#[test]
fn a_tombstone_is_no_event() {
    assert!(read(&record(&[], None)).unwrap().is_none());
}

#[test]
fn what_cannot_be_read_says_why() {
    let code = |headers: &[(&str, &str)], value: &str| match read(&record(headers, Some(value))) {
        Err(error) => error.code(),
        Ok(incoming) => incoming.unwrap().decode::<Paid>().unwrap_err().code(),
    };
    let cloud = [("ce_specversion", "1.0"), ("ce_id", "1"), ("ce_source", "s"), ("ce_type", "payment.created")];
    assert_eq!(code(&cloud, "{broken"), "not_json");
    assert_eq!(code(&cloud[..2], "{}"), "bad_attribute");
    assert_eq!(code(&cloud, "[]"), "upcast_failed");
    assert_eq!(code(&[("event-version", "2")], r#"{"payment_id":1}"#), "bad_shape");
    assert_eq!(code(&[("event-version", "3")], "{}"), "unknown_version");
    assert_eq!(code(&[("event-version", "0")], "{}"), "unknown_version");
    assert_eq!(code(&[("event-version", "x")], "{}"), "bad_attribute");
}
