//! What goes with an offset, reading again, and looking into partitions.

use std::time::Duration;

use chrono::DateTime;
use millgate_events::{Consumer, ConsumerConfig, Event, Logs};
use millgate_testkit::wait_until;

use crate::bench::{Ordered, SOON, consumer, consuming, next, number, numbers, put_numbers, space, wait_committed};

fn logs(space: &millgate_testkit::KafkaSpace) -> Logs {
    Logs::new(&space.config(), SOON)
}

#[tokio::test]
async fn a_note_goes_with_the_offset_and_the_next_owner_reads_it() {
    let space = space(1).await;
    put_numbers(&space, 0, 0..3).await;
    let mut first = consumer(&space);
    let batch = next(&mut first).await;
    assert_eq!((batch.token.holding().note(), batch.token.holding().partition()), ("", 0));
    let count = batch.records.len();
    batch.token.settle_with("grüße; a=1");
    numbers(&mut first, 3 - count).await;
    first.close().await.unwrap();
    // Without a note the last one stays, whether anything is read or not.
    let idle = consumer(&space);
    wait_until("it is ours", SOON, async || idle.holdings().list().len() == 1).await;
    assert_eq!(idle.holdings().list()[0].note(), "grüße; a=1");
    idle.close().await.unwrap();
    put_numbers(&space, 0, [3]).await;
    let mut second = consumer(&space);
    let batch = next(&mut second).await;
    assert_eq!(batch.token.holding().note(), "grüße; a=1");
    let longest = "x".repeat(4_000);
    batch.token.settle_with(&longest);
    wait_committed(&space, &[Some(4)]).await;
    second.close().await.unwrap();
    let committed = logs(&space).committed(Ordered::TOPIC).await.unwrap();
    assert_eq!((committed[0].offset, &committed[0].note), (Some(4), &longest));
}

/// A group that had no offset gets one with what was noted, should somebody have noted something without reading on.
#[tokio::test]
async fn what_is_committed_before_anything_is_done_keeps_the_note() {
    let space = space(1).await;
    put_numbers(&space, 0, 0..5).await;
    space.commit(Ordered::TOPIC, &[(0, 2, "before")]).await;
    let hasty = ConsumerConfig { drain_timeout: Duration::from_millis(200), ..consuming(space.config()) };
    let mut consumer = Consumer::start(hasty).unwrap();
    let held = next(&mut consumer).await;
    assert_eq!((number(&held.records[0]), held.token.holding().note()), (2, "before"));
    consumer.close().await.unwrap();
    let committed = logs(&space).committed(Ordered::TOPIC).await.unwrap();
    assert_eq!((committed[0].offset, &*committed[0].note), (Some(2), "before"));
}

#[tokio::test]
async fn a_batch_can_have_its_partition_read_again_from_before_it() {
    let space = space(1).await;
    put_numbers(&space, 0, 0..20).await;
    let few = ConsumerConfig { batch_size: 5, ..consuming(space.config()) };
    let mut consumer = Consumer::start(few).unwrap();
    assert_eq!(numbers(&mut consumer, 10).await, (0..10).collect::<Vec<_>>());
    next(&mut consumer).await.token.rewind(3);
    let batch = next(&mut consumer).await;
    assert_eq!(number(&batch.records[0]), 3);
    batch.token.settle_with("back");
    // So the offset goes back, too: who comes next has to do it again.
    wait_until("it is committed", SOON, async || {
        let committed = logs(&space).committed(Ordered::TOPIC).await.unwrap();
        committed[0].note == "back" && committed[0].offset.is_some_and(|offset| offset <= 8)
    })
    .await;
    assert_eq!(numbers(&mut consumer, 12).await, (8..20).collect::<Vec<_>>());
    consumer.close().await.unwrap();
    assert_eq!(space.committed(Ordered::TOPIC).await, [Some(20)]);
}

#[tokio::test]
async fn an_idle_partition_is_read_again_and_a_busy_one_not() {
    let space = space(1).await;
    put_numbers(&space, 0, 0..6).await;
    let mut consumer = consumer(&space);
    assert_eq!(numbers(&mut consumer, 6).await, (0..6).collect::<Vec<_>>());
    let holding = consumer.holdings().list().pop().unwrap();
    let mut rewound = false;
    wait_until("the last batch is settled", SOON, async || {
        rewound = holding.rewind(2).await;
        rewound
    })
    .await;
    let batch = next(&mut consumer).await;
    assert_eq!(number(&batch.records[0]), 2);
    assert!(!holding.rewind(0).await, "a batch is out");
    batch.token.settle();
    put_numbers(&space, 0, [6]).await;
    let rest = numbers(&mut consumer, 1).await;
    assert!(rest[0] > 2, "{rest:?}");
    consumer.close().await.unwrap();
    assert!(!holding.rewind(0).await, "it is another's");
}

#[tokio::test]
async fn a_partition_tells_where_it_begins_and_ends_and_what_lies_where() {
    let space = space(1).await;
    let topic = space.name(Ordered::TOPIC);
    let logs = logs(&space);
    assert_eq!(logs.bounds(&topic, 0).await.unwrap(), (0, 0));
    put_numbers(&space, 0, 0..10).await;
    space.truncate(Ordered::TOPIC, 0, 4).await;
    assert_eq!(logs.bounds(&topic, 0).await.unwrap(), (4, 10));
    let records = {
        let mut consumer = consumer(&space);
        let mut records = Vec::new();
        while records.len() < 6 {
            let batch = next(&mut consumer).await;
            records.extend(batch.records);
            batch.token.settle();
        }
        consumer.close().await.unwrap();
        records
    };
    let found = logs.record_at(&topic, 0, 7).await.unwrap().unwrap();
    assert_eq!((found.offset, found.timestamp), (7, records[3].timestamp));
    assert_eq!(logs.record_at(&topic, 0, 1).await.unwrap().unwrap().offset, 4, "the first that is left");
    let at = |ms| DateTime::from_timestamp_millis(ms).unwrap();
    let newest = records[5].timestamp.unwrap();
    assert_eq!(logs.offset_at(&topic, 0, at(0)).await.unwrap(), 4);
    assert_eq!(logs.offset_at(&topic, 0, at(newest + 1)).await.unwrap(), 10);
    assert!(logs.committed("nowhere").await.unwrap().is_empty());
}
