//! Events on their way to a topic.

use std::time::Duration;

use millgate_events::{Event, EventMeta, Incoming, KafkaConfig, KafkaError, OutRecord, TraceParent};
use millgate_testkit::KafkaSpace;
use prometheus_client::registry::Registry;

use crate::bench::{Ordered, SOON, ordered, producer, space};

#[tokio::test]
async fn a_published_event_is_read_with_all_its_attributes() {
    let space = space(1).await;
    let producer = producer(&space.config());
    let event = ordered("o-1", 7);
    let time = chrono::DateTime::from_timestamp_millis(1_700_000_000_123).unwrap();
    let mut meta = EventMeta::new::<Ordered>("shop", time).with_id("id-1");
    meta.causation_id = Some("cause".into());
    meta.trace = TraceParent::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    meta.trace_state = Some("a=b".into());
    meta.baggage = Some("c=d".into());
    let at = producer.publish_as(&event, meta.clone()).await.unwrap();
    assert_eq!((at.topic, at.partition, at.offset), (space.name("orders"), 0, 0));

    let record = space.records("orders", 1).await.remove(0);
    assert_eq!(record.key.as_deref(), Some(b"o-1".as_slice()));
    for (name, value) in [
        ("ce_specversion", "1.0"),
        ("ce_id", "id-1"),
        ("ce_source", "shop"),
        ("ce_type", "order.created"),
        ("ce_dataversion", "2"),
        ("ce_time", "2023-11-14T22:13:20.123Z"),
        ("ce_subject", "o-1"),
        ("content-type", "application/json"),
    ] {
        assert_eq!(record.headers.text(name), Some(value), "{name}");
    }
    let incoming = Incoming::read(&record, "orders").unwrap().unwrap();
    assert_eq!(incoming.decode::<Ordered>().unwrap(), event);
    meta.subject = Some("o-1".into());
    assert_eq!(*incoming.meta, meta);
}

#[tokio::test]
async fn a_batch_is_answered_in_its_order_and_keys_keep_theirs() {
    let space = space(4).await;
    let producer = producer(&space.config());
    let events: Vec<_> = (0..2_000).map(|n| ordered(&format!("o-{}", n % 7), n)).collect();
    let answers = producer.publish_batch(&events).await;
    let records = space.records("orders", events.len()).await;
    assert_eq!(records.len(), events.len(), "each is there once");
    for (event, answer) in events.iter().zip(answers) {
        let at = answer.unwrap();
        let record =
            records.iter().find(|record| (record.partition, record.offset) == (at.partition, at.offset)).unwrap();
        assert_eq!(serde_json::from_slice::<Ordered>(record.value.as_ref().unwrap()).unwrap(), *event);
    }
    for key in 0..7 {
        let key = format!("o-{key}");
        let of_key: Vec<_> = records.iter().filter(|record| record.key.as_deref() == Some(key.as_bytes())).collect();
        assert!(of_key.windows(2).all(|pair| pair[0].partition == pair[1].partition), "one partition a key");
        let numbers =
            of_key.iter().map(|record| Incoming::read(record, "").unwrap().unwrap().decode::<Ordered>().unwrap().n);
        assert!(numbers.collect::<Vec<_>>().is_sorted(), "in the order they were published in");
    }
}

#[tokio::test]
async fn what_is_sent_can_be_awaited_or_flushed() {
    let space = space(1).await;
    let producer = producer(&space.config());
    let delivery = producer.send(&ordered("o", 0)).unwrap();
    assert_eq!(delivery.await.unwrap().offset, 0);
    for n in 1..100 {
        drop(producer.send(&ordered("o", n)).unwrap());
    }
    producer.flush(SOON).await.unwrap();
    assert_eq!(space.ends("orders").await, [100]);
}

#[tokio::test]
async fn a_topic_that_does_not_exist_is_named() {
    let space = KafkaSpace::fresh("events");
    let error = producer(&space.config()).publish(&ordered("o", 1)).await.unwrap_err();
    let name = space.name(Ordered::TOPIC);
    assert!(matches!(&error, KafkaError::UnknownTopic(topic) if *topic == name), "{error}");
    assert_eq!(
        error.to_string(),
        format!(
            "topic {name} does not exist; create it with `millgate topics apply`, which knows the topics of routes, streams and sagas, and of what `App::event` names"
        )
    );
    assert!(!error.is_transient());
}

/// Once the client knows that there is no such topic it refuses at once, and delivers nothing.
#[tokio::test]
async fn what_is_refused_is_counted_too() {
    let space = KafkaSpace::fresh("events");
    let producer = producer(&space.config());
    for _ in 0..3 {
        producer.publish(&ordered("o", 1)).await.unwrap_err();
    }
    let (mut registry, mut text) = (Registry::default(), String::new());
    millgate_events::metrics().register(&mut registry);
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let counted = format!("kafka_messages_failed_total{{topic=\"{}\"}} 3\n", space.name(Ordered::TOPIC));
    assert!(text.contains(&counted), "{text}");
}

#[tokio::test]
async fn a_record_that_is_too_large_is_said_to_be_and_the_next_one_goes() {
    let space = space(1).await;
    let producer = producer(&space.config());
    // Random digits: compressed they are still larger than a topic takes, which is 1 MiB.
    let huge: String = (0..200_000).map(|_| uuid::Uuid::new_v4().simple().to_string()).collect();
    let record =
        |value: String| OutRecord { topic: "orders".into(), value: Some(value.into()), ..OutRecord::default() };
    let error = producer.publish_record(record(huge)).await.unwrap_err();
    assert!(matches!(error, KafkaError::TooLarge { bytes: 6_400_000, .. }), "{error}");
    assert!(error.to_string().contains("too large (6400000 bytes)"), "{error}");
    assert!(!error.is_transient());
    assert_eq!(producer.publish_record(record("small".into())).await.unwrap().offset, 0);
}

#[tokio::test]
async fn a_setting_that_the_client_refuses_is_an_error_at_the_start() {
    let space = KafkaSpace::fresh("events");
    let config = KafkaConfig { compression: "tar".into(), ..space.config() };
    let error = millgate_events::Producer::new(&config, "shop").err().unwrap();
    assert!(matches!(&error, KafkaError::Config(reason) if reason.contains("tar")), "{error}");
}

#[tokio::test]
async fn many_more_than_the_clients_queue_holds_are_waited_for() {
    let space = space(2).await;
    let producer = producer(&space.config());
    // The client's queue takes 100,000 records.
    let events: Vec<_> = (0..150_000).map(|n| ordered("o", n)).collect();
    let answers = tokio::time::timeout(Duration::from_mins(2), producer.publish_batch(&events)).await.unwrap();
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(space.ends("orders").await.iter().sum::<i64>(), 150_000);
}
