//! Each record once, whatever comes again and whoever has the partition.

use millgate_streams::{Audit, StreamPositions};

use crate::rig::Rig;

/// Offsets of each partition that are recorded.
async fn offsets(rig: &Rig, partition: i32) -> Vec<i64> {
    rig.entries().await.iter().filter(|entry| entry.partition == partition).map(|entry| entry.offset).collect()
}

#[tokio::test]
async fn what_kafka_gives_again_is_recorded_once() {
    let rig = Rig::fresh(1).await;
    for number in 0..10 {
        rig.order(0, number).await;
    }
    // Not ended: dropped with its commits, as a process that dies.
    let killed = rig.start(Audit::default());
    rig.until(10).await;
    killed.task.abort();
    for number in 10..20 {
        rig.order(0, number).await;
    }
    let entries = rig.record(Audit::default(), 20).await;
    assert_eq!(offsets(&rig, 0).await, (0..20).collect::<Vec<_>>());
    assert_eq!(entries.last().unwrap().number, 20);
    assert_eq!(rig.findings().await, []);
}

#[tokio::test]
async fn two_processes_share_the_partitions_and_a_third_takes_over() {
    let rig = Rig::fresh(4).await;
    let running = [rig.start(Audit::default()), rig.start(Audit::default())];
    for number in 0..80 {
        rig.order(i32::try_from(number % 4).unwrap(), number).await;
    }
    rig.until(40).await;
    let [first, second] = running;
    first.task.abort();
    let third = rig.start(Audit::default());
    for number in 80..120 {
        rig.order(i32::try_from(number % 4).unwrap(), number).await;
    }
    rig.until(120).await;
    second.end().await;
    third.end().await;
    for partition in 0..4 {
        assert_eq!(offsets(&rig, partition).await, (0..30).collect::<Vec<_>>(), "partition {partition}");
    }
    assert_eq!(rig.findings().await, []);
}

#[tokio::test]
async fn a_stream_that_begins_again_records_only_what_is_new() {
    let rig = Rig::fresh(1).await;
    for number in 0..10 {
        rig.order(0, number).await;
    }
    rig.record(Audit::default(), 10).await;
    // The group's offset is lost, too: all comes again.
    StreamPositions::new(rig.pool()).forget("audit").await.unwrap();
    rig.kafka_group_back().await;
    rig.order(0, 10).await;
    rig.record(Audit::default(), 11).await;
    assert_eq!(offsets(&rig, 0).await, (0..11).collect::<Vec<_>>());
    assert_eq!(rig.findings().await, []);
}

#[tokio::test]
async fn a_topic_that_was_made_anew_begins_another_chain() {
    let rig = Rig::fresh(1).await;
    for number in 0..10 {
        rig.order(0, number).await;
    }
    rig.record(Audit::default(), 10).await;
    rig.kafka.admin().delete(&["orders"]).await.unwrap();
    let gone = async || rig.kafka.ends("orders").await.is_empty();
    millgate_testkit::wait_until("the topic is gone", crate::rig::SOON, gone).await;
    rig.kafka.create("orders", 1).await;
    StreamPositions::new(rig.pool()).forget("audit").await.unwrap();
    rig.kafka_group_back().await;
    for number in 20..25 {
        rig.order(0, number).await;
    }
    let entries = rig.record(Audit::default(), 15).await;
    let new: Vec<_> = entries.iter().filter(|entry| entry.chain != entries[0].chain).collect();
    assert_eq!(
        new.iter().map(|entry| (entry.number, entry.offset)).collect::<Vec<_>>(),
        (0..5).map(|n| (n + 1, n)).collect::<Vec<_>>()
    );
    assert_eq!(rig.logs().heads().await.unwrap().iter().map(|head| head.epoch).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(rig.findings().await, []);
}

impl Rig {
    /// The offset of the stream's group goes back to the beginning.
    async fn kafka_group_back(&self) {
        let group = format!("{}.audit", self.kafka.config().consumer_group);
        self.kafka.commit_as(&group, "orders", &[(0, 0, "")]).await;
    }
}
