//! Offsets that nothing lies at: of records that compaction has removed, of transactions' ends, of what was aborted.

use std::{sync::Mutex, time::Duration};

use millgate_events::{OffsetRange, Replay, Selection, Tally, Values};
use millgate_testkit::{KafkaSpace, wait_for};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    message::{Header, OwnedHeaders},
    producer::{BaseRecord, Producer as _, ThreadedProducer},
};
use tokio_util::sync::CancellationToken;

use crate::{
    bench::SOON,
    replay::{Pile, begun, number},
};

/// The cleaner looks every 15 seconds.
const COMPACTED: Duration = Duration::from_mins(3);

/// What a replay got, what it counted, and what it said of how far it is. It always comes to its end, as far as it was to go.
async fn replayed(space: &KafkaSpace, offsets: &str) -> (Vec<usize>, Tally, (u64, u64)) {
    let offsets: Vec<OffsetRange> = offsets.split_whitespace().map(|range| range.parse().unwrap()).collect();
    let selection = Selection { topics: vec!["orders".into()], offsets, ..Selection::default() };
    let (mut progress, mut tally, mut pile) = (begun(space, &selection).await, Tally::default(), Pile::default());
    let (config, values, told) = (space.config(), Values::default(), Mutex::new(Vec::new()));
    let replay = Replay {
        kafka: &config,
        values: &values,
        selection: &selection,
        // In small steps.
        rate: Some((500, Duration::from_secs(1))),
        // What compaction has removed was not deleted.
        strict: true,
        stop: CancellationToken::new(),
        tell: &|done, all| told.lock().unwrap().push((done, all)),
    };
    assert!(replay.run(&mut progress, &mut tally, &mut pile, None).await.unwrap(), "it comes to its end");
    assert!(progress.spans.iter().all(millgate_events::Span::is_done), "{progress:?}");
    let told = told.into_inner().unwrap();
    assert!(told.is_sorted(), "it goes forth: {told:?}");
    let (done, all) = *told.last().unwrap();
    assert_eq!((done, (done, all)), (all, progress.figures()));
    assert_eq!((tally.selected, tally.expired), (u64::try_from(pile.records.len()).unwrap(), 0));
    let mut numbers: Vec<usize> = pile.records.iter().map(number).collect();
    numbers.sort_unstable();
    (numbers, tally, (done, all))
}

fn headers(n: usize) -> [(&'static str, String); 3] {
    [("ce_id", format!("e-{n}")), ("ce_source", "shop".into()), ("ce_type", "order.created".into())]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_compacted_is_replayed_to_its_end() {
    let space = KafkaSpace::fresh("gaps");
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", &space.config().brokers);
    let admin: AdminClient<DefaultClientContext> = client.create().unwrap();
    let name = space.name("orders");
    let topic = NewTopic::new(&name, 2, TopicReplication::Fixed(1))
        .set("cleanup.policy", "compact")
        .set("segment.ms", "1")
        .set("min.cleanable.dirty.ratio", "0.001")
        .set("delete.retention.ms", "0");
    for made in admin.create_topics([&topic], &AdminOptions::new()).await.unwrap() {
        made.unwrap();
    }
    // Of 40 records in partition 0 compaction leaves the last one of each key, and those of the last segment.
    for n in 0..40 {
        put(&space, 0, n, &format!("k-{}", n % 3)).await;
    }
    for n in 40..44 {
        put(&space, 1, n, "k").await;
    }
    let left = wait_for("it is compacted", COMPACTED, async || {
        let (left, tally, figures) = replayed(&space, "").await;
        assert_eq!(figures, (44, 44), "offsets are what is counted");
        assert_eq!(tally.looked_at, u64::try_from(left.len()).unwrap());
        let of_first = left.iter().filter(|n| **n < 40).count();
        (of_first <= 5).then_some(left)
    })
    .await;
    assert!([37, 38, 39].iter().all(|n| left.contains(n)), "the last of each key: {left:?}");
    // Nothing is left between these two, nor right behind the second.
    let (numbers, tally, figures) = replayed(&space, "orders:0:5-30").await;
    assert_eq!((numbers, tally.looked_at, figures), (vec![], 0, (25, 25)));
    let (numbers, _, figures) = replayed(&space, "orders:0:0-39").await;
    assert_eq!((numbers, figures), (left.iter().copied().filter(|n| *n < 39).collect(), (39, 39)));
}

async fn put(space: &KafkaSpace, partition: i32, n: usize, key: &str) {
    let headers = headers(n);
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let value = format!("{{\"n\":{n}}}");
    space.put("orders", partition, Some(key.as_bytes()), Some(value.as_bytes()), &headers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ends_of_transactions_and_what_was_aborted_are_passed_over_and_one_that_is_open_is_the_end() {
    let space = KafkaSpace::fresh("gaps");
    space.create("orders", 1).await;
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", &space.config().brokers).set("transactional.id", space.name("writer"));
    let writer: ThreadedProducer<_> = client.create().unwrap();
    let topic = space.name("orders");
    tokio::task::block_in_place(|| writer.init_transactions(SOON).unwrap());
    let send = |numbers: std::ops::Range<usize>| {
        writer.begin_transaction().unwrap();
        for n in numbers {
            let mut attributes = OwnedHeaders::new();
            for (key, value) in &headers(n) {
                attributes = attributes.insert(Header { key, value: Some(value) });
            }
            let value = format!("{{\"n\":{n}}}");
            let record = BaseRecord::to(&topic).partition(0).key("k").payload(&value).headers(attributes);
            writer.send(record).map_err(|(error, _)| error).unwrap();
        }
        writer.flush(SOON).unwrap();
    };
    tokio::task::block_in_place(|| {
        // Offsets 0 to 2, and its end at 3.
        send(0..3);
        writer.commit_transaction(SOON).unwrap();
        // 4 to 7, and 8.
        send(3..7);
        writer.abort_transaction(SOON).unwrap();
        // 9, and 10; the log ends with a mark.
        send(7..8);
        writer.commit_transaction(SOON).unwrap();
    });
    let (numbers, tally, figures) = replayed(&space, "").await;
    assert_eq!((numbers, tally.looked_at, figures), (vec![0, 1, 2, 7], 4, (11, 11)));
    let (numbers, _, figures) = replayed(&space, "orders:0:3-9").await;
    assert_eq!((numbers, figures), (vec![], (6, 6)), "nothing but what was aborted");
    // 11 and 12: nobody knows yet what becomes of them.
    tokio::task::block_in_place(|| send(8..10));
    for range in ["", "orders:0:0-", "orders:0:0-13"] {
        let (numbers, _, figures) = replayed(&space, range).await;
        assert_eq!((numbers, figures), (vec![0, 1, 2, 7], (11, 11)), "{range}");
    }
    tokio::task::block_in_place(|| writer.commit_transaction(SOON).unwrap());
    let (numbers, _, _) = replayed(&space, "").await;
    assert_eq!(numbers, [0, 1, 2, 7, 8, 9]);
}
