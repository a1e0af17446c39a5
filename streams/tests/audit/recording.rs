//! What is recorded of an event.

use millgate_streams::Audit;
use serde_json::Value;

use crate::rig::{Rig, headers};

#[tokio::test]
async fn an_entry_has_who_did_what_to_what_and_where_it_came_from() {
    let rig = Rig::fresh(1).await;
    let own = [
        headers("order.created", "event-1").as_slice(),
        &[
            ("ce_time", "2026-03-01T12:00:00.123456789Z"),
            ("ce_subject", "order-1"),
            ("ce_dataversion", "2"),
            ("ce_correlationid", "request-1"),
            ("ce_causationid", "click-1"),
            ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ],
    ]
    .concat();
    let value = br#"{"customer": {"id": "ada"},  "total": 1.50, "card": "4111"}"#;
    rig.kafka.put("orders", 0, Some(b"key-1"), Some(value), &own).await;
    let said = [
        headers("order.paid", "event-2").as_slice(),
        &[("audit-user", "root"), ("audit-resource", "till"), ("audit-action", "pay")],
    ]
    .concat();
    rig.kafka.put("orders", 0, Some(b"key-1"), Some(br#"{"customer": {"id": "ada"}}"#), &said).await;
    rig.kafka.put("orders", 0, Some(b"key-1"), Some(b"{}"), &headers("payment_FAILED", "event-3")).await;
    let entries = rig.record(Audit::default().user("customer.id"), 3).await;

    let first = &entries[0];
    assert_eq!(
        (first.event_id.as_str(), first.event_type.as_str(), first.event_version),
        ("event-1", "order.created", Some(2))
    );
    assert_eq!((first.event_source.as_deref(), first.user_id.as_deref()), (Some("shop"), Some("ada")));
    assert_eq!((first.resource.as_deref(), first.action.as_str()), (Some("order-1"), "created"));
    assert_eq!(first.occurred_at.to_rfc3339(), "2026-03-01T12:00:00.123456+00:00");
    assert_eq!((first.correlation_id.as_deref(), first.causation_id.as_deref()), (Some("request-1"), Some("click-1")));
    assert_eq!(first.trace_id.as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
    assert_eq!((&*first.topic, first.partition, first.offset, first.number), (&*rig.kafka.name("orders"), 0, 0, 1));
    assert!(first.record_time.is_some() && !first.is_error && first.error.is_none());
    let payload: Value = serde_json::from_str(first.payload.as_deref().unwrap()).unwrap();
    assert_eq!(
        payload,
        serde_json::json!({ "customer": { "id": "ada" }, "total": 1.5, "card": "•••" }),
        "hidden for good"
    );

    let second = &entries[1];
    assert_eq!(
        (second.user_id.as_deref(), second.resource.as_deref(), &*second.action),
        (Some("root"), Some("till"), "pay")
    );
    assert_eq!(second.payload.as_deref(), Some(r#"{"customer": {"id": "ada"}}"#), "byte for byte");
    assert!(entries[2].is_error, "its type says so");
    assert_eq!(entries[2].resource.as_deref(), Some("key-1"));
    assert_eq!(rig.findings().await, []);
}

#[tokio::test]
async fn functions_find_what_no_path_does() {
    let rig = Rig::fresh(1).await;
    rig.kafka
        .put("orders", 0, None, Some(br#"{"id": 7, "by": {"card": 1}, "left": -2}"#), &headers("stock.sold", "event-1"))
        .await;
    let audit = Audit::default()
        .user_by(|event| event.record.headers.text("session").map(str::to_owned))
        .user("id")
        .resource_by(|event| Some(format!("{}/{}", event.meta.source, event.payload.get("id")?)))
        .error_by(|event| (event.payload.get("left")?.as_i64()? < 0).then(|| "sold what is not there".to_owned()));
    let entries = rig.record(audit, 1).await;
    let entry = &entries[0];
    assert_eq!((entry.user_id.as_deref(), entry.resource.as_deref()), (Some("7"), Some("shop/7")));
    assert_eq!((entry.is_error, entry.error.as_deref()), (true, Some("sold what is not there")));
}

#[tokio::test]
async fn dead_letters_are_errors_of_their_events() {
    let rig = Rig::fresh(1).await;
    let topic = rig.kafka.name("orders");
    let event = [
        headers("order.created", "event-1").as_slice(),
        &[
            ("x-dlq-kind", "event"),
            ("__dlq.errors.topic", &topic),
            ("__dlq.errors.partition", "0"),
            ("__dlq.errors.offset", "17"),
            ("__dlq.errors.message", "event order.created has another shape than expected"),
            ("x-dlq-code", "bad_shape"),
            ("x-dlq-failed-at", "2026-03-01T12:00:00.000Z"),
        ],
    ]
    .concat();
    rig.kafka.put("dlq", 0, None, Some(br#"{"customer": {"id": "ada"}}"#), &event).await;
    let job = [
        ("x-dlq-kind", "job"),
        ("x-dlq-job-id", "job-1"),
        ("x-dlq-job-kind", "charge"),
        ("x-dlq-event-id", "event-2"),
        ("x-dlq-event-type", "order.paid"),
        ("x-dlq-event-source", "shop"),
        ("ce_correlationid", "request-2"),
        ("__dlq.errors.message", "the bank says no"),
        ("x-dlq-code", "refused"),
    ];
    rig.kafka.put("dlq", 0, None, Some(br#"{"card": "4111", "cents": 5}"#), &job).await;
    // A plain one, whose id follows from where it was.
    let plain = [
        ("x-dlq-kind", "event"),
        ("__dlq.errors.topic", &*topic),
        ("__dlq.errors.partition", "3"),
        ("__dlq.errors.offset", "9"),
    ];
    let plain = [plain.as_slice(), &[("x-dlq-original-timestamp", "5")]].concat();
    rig.kafka.put("dlq", 0, None, Some(b"{not json"), &plain).await;
    let entries = rig.record(Audit::default().user("customer.id"), 3).await;
    assert!(entries.iter().all(|entry| entry.is_error && entry.action == "dead"));
    let [event, job, plain] = &entries[..] else { panic!("{entries:#?}") };
    assert_eq!(event.error.as_deref(), Some("bad_shape: event order.created has another shape than expected"));
    assert_eq!((event.user_id.as_deref(), &*event.event_id), (Some("ada"), "event-1"));
    assert_eq!(event.occurred_at.to_rfc3339(), "2026-03-01T12:00:00+00:00", "when it died");
    assert_eq!(
        (&*job.event_id, &*job.event_type, job.correlation_id.as_deref()),
        ("event-2", "order.paid", Some("request-2"))
    );
    assert_eq!(job.payload.as_deref(), Some(r#"{"card":"•••","cents":5}"#));
    assert_eq!((plain.event_id.as_str(), plain.event_type.as_str()), (&*format!("{topic}/3/9@5"), "orders"));
    assert_eq!(plain.raw.as_deref(), Some(b"{not json".as_slice()));
}
