//! What others may put on a topic.

use millgate_streams::{Audit, AuditFilter};

use crate::rig::{Rig, headers};

#[tokio::test]
async fn nothing_that_happened_is_missing_whatever_it_is() {
    let rig = Rig::fresh(1).await;
    let usual = headers("order.created", "event-0");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let long = "x".repeat(10_000);
    let huge = format!(r#"{{"text": "{}"}}"#, "y".repeat(700_000));
    let values: [Option<&[u8]>; 10] = [
        Some(br#"{"text": "a\u0000b", "customer": {"id": "a\u0000b"}}"#),
        Some(b"\xff\xfe{"),
        Some(b"{not json"),
        Some(b""),
        Some(b"null"),
        None,
        Some(br#""\ud800""#),
        Some(b"1e999"),
        Some(deep.as_bytes()),
        Some(huge.as_bytes()),
    ];
    for value in values {
        rig.kafka.put("orders", 0, None, value, &usual).await;
    }
    // Attributes: too long, with a NUL, of a wrong time, or none at all.
    let odd = [
        ("ce_specversion", "1.0"),
        ("ce_id", &*long),
        ("ce_source", "a\0b"),
        ("ce_type", "odd\0\0"),
        ("audit-user", &*long),
    ];
    rig.kafka.put("orders", 0, Some(b"\xff\x00"), Some(b"{}"), &odd).await;
    let wrong = [headers("order.created", "event-w").as_slice(), &[("ce_time", "yesterday")]].concat();
    rig.kafka.put("orders", 0, Some(b"k\0ey"), Some(b"{}"), &wrong).await;
    rig.kafka.put("orders", 0, None, Some(b"[1]"), &[]).await;
    let claim = [
        headers("order.created", "event-c").as_slice(),
        &[("ce_dataref", "2026-03-01/ab12"), ("ce_datarefsha256", "ab12")],
    ]
    .concat();
    rig.kafka.put("orders", 0, None, Some(b""), &claim).await;

    let entries = rig.record(Audit::default().user("customer.id"), 14).await;
    let offsets: Vec<i64> = entries.iter().map(|entry| entry.offset).collect();
    assert_eq!(offsets, (0..14).collect::<Vec<_>>());
    for (entry, value) in entries.iter().zip(values) {
        assert_eq!(entry.value(), value, "offset {}: byte for byte", entry.offset);
    }
    let [nul, bytes, text, empty, null, gone, surrogate, number, nested, large, long, time, plain, claim] =
        &entries[..]
    else {
        panic!("{} entries", entries.len())
    };
    // Whoever looks into the column `payload` must not stumble over one of them.
    assert!(nul.payload.is_none() && !nul.is_error && nul.user_id.as_deref() == Some("a\u{fffd}b"), "{nul:?}");
    for broken in [bytes, text, empty, surrogate, number, nested] {
        let says = broken.error.as_deref().unwrap_or_default();
        assert!(broken.is_error && says.starts_with("cannot be read: "), "{}: {says}", broken.offset);
        assert_eq!(broken.event_id, "event-0", "what its headers say is there");
    }
    assert!(null.payload.as_deref() == Some("null") && !null.is_error);
    assert!(gone.action == "deleted" && gone.value().is_none() && !gone.is_error);
    assert!(large.payload.is_some() && !large.is_error);
    assert_eq!((long.event_id.len(), long.user_id.as_ref().map(String::len)), (500, Some(500)));
    assert_eq!((long.event_source.as_deref(), long.resource.as_deref()), (Some("a\u{fffd}b"), None));
    assert!(time.is_error && time.error.as_deref().unwrap().contains("ce_time"), "{time:?}");
    assert_eq!((time.resource.as_deref(), &*plain.event_type), (Some("k\u{fffd}ey"), "orders"));
    assert_eq!((claim.claim.as_deref(), claim.value(), claim.is_error), (Some("2026-03-01/ab12"), None, false));
    assert_eq!(rig.findings().await, []);
    let look = "SELECT count(payload->>'text') + count(payload::jsonb) FROM audit_logs";
    let seen: i64 = sqlx::query_scalar(look).fetch_one(rig.database.pool()).await.unwrap();
    assert!(seen > 0);
    let filter = AuditFilter { user: Some("a\0b".into()), ..AuditFilter::default() };
    assert_eq!(rig.logs().search(&filter, 10).await.unwrap().len(), 1, "found by what was asked");
}

/// What is wrong with an attribute says nothing of the payload.
#[tokio::test]
async fn what_nobody_is_shown_is_not_recorded_of_an_event_whose_attributes_cannot_be_read() {
    let rig = Rig::fresh(1).await;
    let secret = br#"{"card": "4111", "pin": 17, "order": 1}"#;
    let wrong = [headers("order.created", "event-1").as_slice(), &[("ce_time", "yesterday")]].concat();
    rig.kafka.put("orders", 0, None, Some(secret), &wrong).await;
    let without_a_type = [("ce_specversion", "1.0"), ("ce_id", "event-2"), ("ce_source", "shop")];
    rig.kafka.put("orders", 0, None, Some(br#"{"card": "4111"}"#), &without_a_type).await;
    let around = r#"{"id": "event-3", "source": "shop", "type": "order.created", "time": "yesterday", "data": {"card": "4111", "pin": 17}}"#;
    let structured = [("content-type", "application/cloudevents+json; charset=utf-8")];
    rig.kafka.put("orders", 0, None, Some(around.as_bytes()), &structured).await;
    let plain = br#"{"eventType": "order.created", "version": "none", "pin": 17}"#;
    rig.kafka.put("orders", 0, None, Some(plain), &[]).await;
    rig.kafka.put("orders", 0, None, Some(br#"{"order":  1}"#), &wrong).await;
    let topic = rig.kafka.name("orders");
    let letter = [wrong.as_slice(), &[("x-dlq-kind", "event"), ("__dlq.errors.topic", &*topic)]].concat();
    rig.kafka.put("dlq", 0, None, Some(secret), &letter).await;

    let entries = rig.record(Audit::default(), 6).await;
    assert!(entries.iter().all(|entry| entry.is_error && entry.raw.is_none()), "{entries:#?}");
    let payloads: Vec<&str> = entries.iter().map(|entry| entry.payload.as_deref().unwrap()).collect();
    let hidden = r#"{"card":"•••","order":1,"pin":"•••"}"#;
    let around = r#"{"data":{"card":"•••","pin":"•••"},"id":"event-3","source":"shop","time":"yesterday","type":"order.created"}"#;
    let plain = r#"{"eventType":"order.created","pin":"•••","version":"none"}"#;
    // The dead letter's topic comes first.
    assert_eq!(payloads, [hidden, hidden, r#"{"card":"•••"}"#, around, plain, r#"{"order":  1}"#]);
    assert!(entries[1].error.as_deref().unwrap().contains("ce_time"), "{:?}", entries[1].error);
}
