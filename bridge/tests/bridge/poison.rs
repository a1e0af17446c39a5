//! What cannot become jobs.

use std::{collections::BTreeMap, time::Duration};

use millgate_events::{Event, KafkaConfig};
use millgate_jobs::RedisConfig;
use millgate_testkit::wait_until;

use crate::bench::{Bench, DEAD, Ordered, Pack, Running, SOON, config, ordered};

const CLOUD: [(&str, &str); 4] =
    [("ce_specversion", "1.0"), ("ce_id", "id"), ("ce_source", "shop"), ("ce_type", "order.created")];

/// The attributes of an event, with one of another value.
fn cloud(name: &'static str, value: &'static str) -> Vec<(&'static str, &'static str)> {
    let others = CLOUD.into_iter().filter(|(other, _)| *other != name);
    others.chain([(name, value), ("own", "kept")]).collect()
}

#[tokio::test]
async fn each_kind_goes_to_the_dead_letters_with_its_story_and_holds_nothing_up() {
    let bench = Bench::new(1).await;
    bench.kafka.create(DEAD, 1).await;
    let good = br#"{"order":"o"}"#.as_slice();
    let poisons = [
        ("not_json", b"{\xff".as_slice(), cloud("ce_id", "p0")),
        ("unknown_type", good, cloud("ce_type", "order.exploded")),
        ("unknown_version", good, cloud("ce_dataversion", "9")),
        ("bad_attribute", good, cloud("ce_source", "")),
        ("bad_shape", b"{}".as_slice(), cloud("ce_id", "p4")),
        ("route_panicked", br#"{"order":"panic"}"#.as_slice(), cloud("ce_id", "p5")),
    ];
    let mut offsets = BTreeMap::new();
    for (number, (code, value, headers)) in poisons.iter().enumerate() {
        let at = bench.kafka.put(Ordered::TOPIC, 0, Some(b"key"), Some(value), headers).await;
        offsets.insert(at.to_string(), (*code, *value));
        // Behind each a tombstone, and an event that must come through.
        bench.kafka.put(Ordered::TOPIC, 0, Some(b"gone"), None, &[]).await;
        bench.publish([ordered(format!("good-{number}"))]).await;
    }
    let bridge = bench.bridge();
    bench.wait_all_committed().await;
    let counts = bridge.stop().await;
    assert_eq!((counts.dead, counts.tombstones, counts.handed_off), (6, 6, 12));
    assert_eq!(bench.enqueued::<Pack>().await, 6);

    let letters = bench.kafka.records(DEAD, 6).await;
    assert_eq!(letters.len(), 6, "a tombstone is no dead letter");
    for letter in letters {
        let text = |name| letter.headers.text(name).unwrap_or("missing");
        let (code, value) = offsets.remove(text("__dlq.errors.offset")).unwrap();
        assert_eq!(text("x-dlq-code"), code);
        assert_eq!(letter.value.as_deref(), Some(value), "{code}: the original's bytes");
        assert_eq!(letter.key.as_deref(), Some(b"key".as_slice()));
        assert_eq!((text("own"), text("ce_specversion"), text("x-dlq-kind")), ("kept", "1.0", "event"));
        assert_eq!(text("__dlq.errors.topic"), bench.kafka.name(Ordered::TOPIC));
        assert_eq!(text("__dlq.errors.partition"), "0");
        assert_eq!(text("__dlq.errors.group"), bench.kafka.config().consumer_group);
        assert!(text("__dlq.errors.message").len() > 10, "{}", text("__dlq.errors.message"));
        assert!(chrono::DateTime::parse_from_rfc3339(text("x-dlq-failed-at")).is_ok());
    }
}

#[tokio::test]
async fn without_a_topic_for_it_its_partition_waits_and_seven_others_go_on() {
    let bench = Bench::new(8).await;
    let good = ordered("good");
    let put = async |partition, value: &[u8], headers: &[(&str, &str)]| {
        bench.kafka.put(Ordered::TOPIC, partition, None, Some(value), headers).await
    };
    let id = |id: &'static str| cloud("ce_id", id);
    let good = good.value.as_deref().unwrap();
    put(0, b"{broken", &id("p")).await;
    let impatient = KafkaConfig { delivery_timeout: Duration::from_millis(500), ..bench.kafka.config() };
    let bridge = Running::start(&impatient, &bench.redis.config(), &config());
    for (rounds, event) in (1..).zip(["a", "b", "c", "d", "e"]) {
        for partition in 1..8 {
            put(partition, good, &id(event)).await;
        }
        wait_until("the others go on", SOON, async || bench.enqueued::<Pack>().await == 7 * rounds).await;
    }
    put(0, good, &id("behind")).await;
    let mut all_but_the_first = [Some(5); 8];
    all_but_the_first[0] = Some(0);
    wait_until("it is committed", SOON, async || bench.kafka.committed("orders").await == all_but_the_first).await;
    assert_eq!((bridge.counts().dead, bench.enqueued::<Pack>().await), (0, 35), "what is behind the poison waits");

    bench.kafka.create(DEAD, 1).await;
    bench.wait_all_committed().await;
    assert_eq!((bridge.stop().await.dead, bench.enqueued::<Pack>().await), (1, 36));
    assert_eq!(bench.kafka.records(DEAD, 1).await.len(), 1);
}

#[tokio::test]
async fn an_event_whose_job_no_queue_takes_is_poison_and_holds_nothing_up() {
    let bench = Bench::new(1).await;
    bench.kafka.create(DEAD, 1).await;
    bench.publish([ordered("x".repeat(2_000)), ordered("small")]).await;
    let redis = RedisConfig { max_payload: 1_000, ..bench.redis.config() };
    let bridge = Running::start(&bench.kafka.config(), &redis, &config());
    bench.wait_all_committed().await;
    assert_eq!((bridge.stop().await.dead, bench.enqueued::<Pack>().await), (1, 1));
    let letter = bench.kafka.records(DEAD, 1).await.remove(0);
    assert_eq!(letter.headers.text("x-dlq-code"), Some("job_too_large"));
    let why = letter.headers.text("__dlq.errors.message").unwrap();
    assert!(why.contains("redis.max_payload is 1000"), "{why}");
}
