//! One consumer: what it gives out, what it commits, what comes again.

use std::time::Duration;

use millgate_events::{Consumer, ConsumerConfig, Event, Headers, KafkaConfig, KafkaError, OutRecord};
use millgate_testkit::wait_until;

use crate::bench::{
    Ordered, SOON, consumer, consuming, next, number, numbers, ordered, producer, put_numbers, space, wait_committed,
};

#[tokio::test]
async fn a_record_comes_as_it_was_put() {
    let space = space(1).await;
    let mut headers = Headers::new();
    headers.push("a", "1");
    headers.push_raw("null", None);
    headers.push("a", "2");
    headers.push("bytes", vec![0xff, 0x00]);
    let record =
        OutRecord { topic: "orders".into(), key: Some("k".into()), value: Some("v".into()), headers: headers.clone() };
    let producer = producer(&space.config());
    producer.publish_record(record).await.unwrap();
    // A tombstone, without a key even.
    producer.publish_record(OutRecord { topic: "orders".into(), ..OutRecord::default() }).await.unwrap();
    let mut consumer = consumer(&space);
    let mut records = Vec::new();
    while records.len() < 2 {
        let batch = next(&mut consumer).await;
        records.extend(batch.records);
        batch.token.settle();
    }
    let first = &records[0];
    assert_eq!((&*first.topic, first.partition, first.offset), (&*space.name("orders"), 0, 0));
    assert_eq!((first.key.as_deref(), first.value.as_deref()), (Some(b"k".as_slice()), Some(b"v".as_slice())));
    assert_eq!(first.headers, headers);
    assert!(first.timestamp.is_some_and(|time| time > 1_600_000_000_000));
    assert_eq!((records[1].key.as_deref(), records[1].value.as_deref(), records[1].headers.size()), (None, None, 0));
    consumer.close().await.unwrap();
}

#[tokio::test]
async fn a_new_consumer_begins_where_the_settled_ended() {
    let space = space(2).await;
    put_numbers(&space, 0, 0..5).await;
    put_numbers(&space, 1, 100..103).await;
    let mut first = consumer(&space);
    let mut all = numbers(&mut first, 8).await;
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2, 3, 4, 100, 101, 102]);
    wait_committed(&space, &[Some(5), Some(3)]).await;
    first.close().await.unwrap();

    put_numbers(&space, 1, [103]).await;
    let mut second = consumer(&space);
    assert_eq!(numbers(&mut second, 1).await, [103]);
    second.close().await.unwrap();
    wait_committed(&space, &[Some(5), Some(4)]).await;
}

#[tokio::test]
async fn a_partition_has_one_batch_out_at_a_time_and_others_go_on() {
    let space = space(2).await;
    put_numbers(&space, 0, 0..10).await;
    let few = ConsumerConfig { batch_size: 3, ..consuming(space.config()) };
    let mut consumer = Consumer::start(few).unwrap();
    let held = next(&mut consumer).await;
    assert_eq!(held.records.iter().map(number).collect::<Vec<_>>(), [0, 1, 2]);
    put_numbers(&space, 1, 100..104).await;
    assert_eq!(numbers(&mut consumer, 4).await, [100, 101, 102, 103]);
    wait_committed(&space, &[Some(0), Some(4)]).await;
    held.token.settle();
    assert_eq!(numbers(&mut consumer, 7).await, (3..10).collect::<Vec<_>>());
    consumer.close().await.unwrap();
    assert_eq!(space.committed("orders").await, [Some(10), Some(4)]);
}

#[tokio::test]
async fn a_batch_that_is_dropped_comes_again_and_nothing_is_passed_over() {
    let space = space(1).await;
    put_numbers(&space, 0, 0..20).await;
    let few = ConsumerConfig { batch_size: 5, ..consuming(space.config()) };
    let mut consumer = Consumer::start(few).unwrap();
    let first = next(&mut consumer).await;
    assert_eq!(number(&first.records[0]), 0);
    first.token.settle();
    for _ in 0..3 {
        // As when the task that has it panics.
        let dropped = next(&mut consumer).await;
        assert_eq!(number(&dropped.records[0]), 5);
    }
    assert_eq!(numbers(&mut consumer, 15).await, (5..20).collect::<Vec<_>>());
    consumer.close().await.unwrap();
    assert_eq!(space.committed("orders").await, [Some(20)]);
}

#[tokio::test]
async fn what_was_not_settled_is_not_committed_by_a_close() {
    let space = space(1).await;
    put_numbers(&space, 0, 0..10).await;
    let impatient = ConsumerConfig {
        batch_size: 4,
        commit_interval: Duration::from_hours(1),
        drain_timeout: Duration::from_millis(300),
        ..consuming(space.config())
    };
    let mut consumer = Consumer::start(impatient).unwrap();
    next(&mut consumer).await.token.settle();
    let held = next(&mut consumer).await;
    tokio::time::timeout(SOON, consumer.close()).await.expect("it waits no longer").unwrap();
    assert_eq!(space.committed("orders").await, [Some(4)]);
    // Its settlement comes too late, and must not panic or change anything.
    held.token.settle();
    let mut again = crate::bench::consumer(&space);
    assert_eq!(numbers(&mut again, 6).await, (4..10).collect::<Vec<_>>());
    again.close().await.unwrap();
}

#[tokio::test]
async fn a_close_waits_for_batches_that_are_out_and_commits_them() {
    let space = space(1).await;
    put_numbers(&space, 0, 0..3).await;
    let hour = Duration::from_hours(1);
    let rarely = ConsumerConfig { commit_interval: hour, drain_timeout: hour, ..consuming(space.config()) };
    let mut consumer = Consumer::start(rarely).unwrap();
    let mut held = next(&mut consumer).await;
    while held.records.last().is_none_or(|record| number(record) < 2) {
        held.token.settle();
        held = next(&mut consumer).await;
    }
    let closing = tokio::spawn(consumer.close());
    // It has been asked, and cannot end yet.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!closing.is_finished());
    held.token.settle();
    tokio::time::timeout(SOON, closing).await.expect("it waits no longer").unwrap().unwrap();
    assert_eq!(space.committed("orders").await, [Some(3)]);
}

#[tokio::test]
async fn a_tiny_buffer_pauses_and_resumes_and_nothing_is_lost() {
    let space = space(2).await;
    let producer = producer(&space.config());
    let events: Vec<_> = (0..3_000).map(|n| ordered(&format!("o-{}", n % 10), n)).collect();
    for answer in producer.publish_batch(&events).await {
        answer.unwrap();
    }
    // A few records fill it: each is more than 128 bytes.
    let tiny = ConsumerConfig { buffer_bytes: 4_000, batch_size: 10, ..consuming(space.config()) };
    let mut consumer = Consumer::start(tiny).unwrap();
    let mut seen = [Vec::new(), Vec::new()];
    while seen.iter().map(Vec::len).sum::<usize>() < 3_000 {
        let batch = next(&mut consumer).await;
        let partition = usize::try_from(batch.records[0].partition).unwrap();
        seen[partition].extend(batch.records.iter().map(|record| record.offset));
        batch.token.settle();
    }
    for offsets in seen {
        assert_eq!(offsets, (0..i64::try_from(offsets.len()).unwrap()).collect::<Vec<_>>(), "in order, each once");
    }
    consumer.close().await.unwrap();
    assert_eq!(space.committed("orders").await.into_iter().flatten().sum::<i64>(), 3_000);
}

#[tokio::test]
async fn a_paused_partition_does_not_grow_and_its_member_stays_in_the_group() {
    let space = space(1).await;
    let kafka = KafkaConfig { rebalance_timeout: Duration::from_secs(7), ..space.config() };
    let tiny = ConsumerConfig { buffer_bytes: 1_000, batch_size: 1, ..consuming(kafka) };
    let mut consumer = Consumer::start(tiny).unwrap();
    put_numbers(&space, 0, 0..30).await;
    let held = next(&mut consumer).await;
    // Longer than a member may be silent: one that did not poll would lose its partition.
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert!(!held.token.is_revoked());
    held.token.settle();
    assert_eq!(numbers(&mut consumer, 29).await, (1..30).collect::<Vec<_>>());
    consumer.close().await.unwrap();
    assert_eq!(space.committed("orders").await, [Some(30)]);
}

#[tokio::test]
async fn a_group_without_an_offset_begins_as_it_was_told() {
    let space = space(1).await;
    put_numbers(&space, 0, 0..3).await;
    let told = |reset: &str| {
        let kafka = KafkaConfig {
            auto_offset_reset: reset.into(),
            consumer_group: format!("{}-{reset}", space.config().consumer_group),
            ..space.config()
        };
        Consumer::start(consuming(kafka)).unwrap()
    };
    let mut error = told("error");
    assert!(tokio::time::timeout(SOON, error.next()).await.unwrap().is_none(), "it ends");
    let said = error.close().await.unwrap_err();
    assert!(matches!(said, KafkaError::NoOffset { .. }), "{said}");
    assert!(
        said.to_string().contains("has no offset for") && said.to_string().contains("earliest or latest"),
        "{said}"
    );

    let mut latest = told("latest");
    // What comes before it has joined is not for it; what comes after is.
    let mut sent = 3;
    let first = loop {
        put_numbers(&space, 0, [sent]).await;
        sent += 1;
        if let Ok(batch) = tokio::time::timeout(Duration::from_millis(200), latest.next()).await {
            break number(&batch.unwrap().records[0]);
        }
    };
    assert!(first >= 3, "{first} was there before");
    latest.close().await.unwrap();
}

/// A group has an offset as soon as it has read anything, and not only once something is settled.
#[tokio::test]
async fn what_a_group_without_an_offset_read_and_did_not_settle_comes_again() {
    let space = space(1).await;
    put_numbers(&space, 0, [0]).await;
    let kafka = KafkaConfig { auto_offset_reset: "latest".into(), ..space.config() };
    let latest = ConsumerConfig { drain_timeout: Duration::from_millis(200), ..consuming(kafka) };
    let mut first = Consumer::start(latest.clone()).unwrap();
    let mut sent = 1;
    // What comes before it has joined is not for it.
    let held = loop {
        put_numbers(&space, 0, [sent]).await;
        sent += 1;
        if let Ok(batch) = tokio::time::timeout(Duration::from_millis(200), first.next()).await {
            break batch.unwrap();
        }
    };
    first.close().await.unwrap();
    put_numbers(&space, 0, [sent]).await;
    let mut second = Consumer::start(latest).unwrap();
    let began = number(&held.records[0]);
    assert_eq!(numbers(&mut second, sent + 1 - began).await, (began..=sent).collect::<Vec<_>>());
    second.close().await.unwrap();
}

#[tokio::test]
async fn a_topic_that_is_created_later_is_consumed() {
    let space = millgate_testkit::KafkaSpace::fresh("events");
    let mut consumer = consumer(&space);
    space.create(Ordered::TOPIC, 1).await;
    put_numbers(&space, 0, [7]).await;
    assert_eq!(numbers(&mut consumer, 1).await, [7]);
    consumer.close().await.unwrap();
}

#[tokio::test]
async fn partitions_that_are_added_are_consumed() {
    let space = space(1).await;
    let mut consumer = consumer(&space);
    put_numbers(&space, 0, [1]).await;
    assert_eq!(numbers(&mut consumer, 1).await, [1]);
    let more = millgate_events::TopicChange::AddPartitions { name: "orders".into(), from: 1, to: 2 };
    space.admin().apply(&[more]).await.unwrap();
    wait_until("it is added", SOON, async || space.ends("orders").await.len() == 2).await;
    put_numbers(&space, 1, [2]).await;
    assert_eq!(numbers(&mut consumer, 1).await, [2]);
    consumer.close().await.unwrap();
}
