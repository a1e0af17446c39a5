//! Several members of one group, in mid traffic.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use millgate_events::{Batch, Consumer, ConsumerConfig, Event, KafkaConfig, Producer};
use millgate_testkit::{KafkaSpace, wait_until};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::bench::{Ordered, SOON, consumer, consuming, next, number, numbers, ordered, producer, put_numbers, space};

const PARTITIONS: usize = 4;
const BATCH: usize = 10;

/// How often each record was settled, by partition and offset.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<BTreeMap<(i32, i64), u32>>>);

impl Seen {
    fn note(&self, batch: &Batch) {
        let mut seen = self.0.lock().unwrap();
        let (partition, first) = (batch.records[0].partition, batch.records[0].offset);
        // Whoever had the partition before, and wherever it was read again: else the next commit passes over something.
        assert!(first == 0 || seen.contains_key(&(partition, first - 1)), "{partition} begins at {first}, too late");
        for record in &batch.records {
            *seen.entry((record.partition, record.offset)).or_default() += 1;
        }
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn repeated(&self) -> usize {
        self.0.lock().unwrap().values().filter(|times| **times > 1).count()
    }
}

/// A member that settles what comes after a moment, and drops every fifth batch, until it is told to leave.
struct Member {
    leave: CancellationToken,
    ended: JoinHandle<()>,
}

impl Member {
    fn join(config: ConsumerConfig, seen: &Seen) -> Self {
        let mut consumer = Consumer::start(config).unwrap();
        let (leave, seen) = (CancellationToken::new(), seen.clone());
        let told = leave.clone();
        let ended = tokio::spawn(async move {
            let mut taken = 0;
            while let Some(Some(batch)) = told.run_until_cancelled(consumer.next()).await {
                taken += 1;
                let (seen, dropped) = (seen.clone(), taken % 5 == 0);
                tokio::spawn(async move {
                    // Long enough that a rebalance finds batches out.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    if !dropped {
                        seen.note(&batch);
                        batch.token.settle();
                    }
                });
            }
            consumer.close().await.unwrap();
        });
        Self { leave, ended }
    }

    async fn leave(self) {
        self.leave.cancel();
        tokio::time::timeout(SOON, self.ended).await.expect("it leaves").unwrap();
    }
}

/// Publishes until told to stop; gives how many.
fn traffic(producer: Producer) -> (CancellationToken, JoinHandle<usize>) {
    let stop = CancellationToken::new();
    let told = stop.clone();
    let publishing = tokio::spawn(async move {
        let mut count = 0;
        while !told.is_cancelled() {
            let events: Vec<_> = (0..50).map(|n| ordered(&format!("o-{}", n % 20), count + n)).collect();
            for answer in producer.publish_batch(&events).await {
                answer.unwrap();
            }
            count += events.len();
            // Less than the members settle: what they leave behind would have to be waited for.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        count
    });
    (stop, publishing)
}

/// Members come and go while records come; in the end each was seen and is committed. Whoever leaves in peace hands on
/// what it has not done, and little more: where one rebalance runs into another, Kafka refuses a commit
/// (`IllegalGeneration`, `RebalanceInProgress`), and what was being settled just then comes again.
async fn come_and_go(strategy: &str, buffer_bytes: usize) {
    let space = space(PARTITIONS).await;
    let kafka = KafkaConfig { assignment_strategy: strategy.into(), ..space.config() };
    let config = ConsumerConfig { batch_size: BATCH, buffer_bytes, ..consuming(kafka) };
    let seen = Seen::default();
    let (stop, publishing) = traffic(producer(&space.config()));
    let more = async || {
        let before = seen.count();
        wait_until("traffic goes on", SOON, async || seen.count() > before + 300).await;
    };
    let first = Member::join(config.clone(), &seen);
    more().await;
    let second = Member::join(config.clone(), &seen);
    more().await;
    first.leave().await;
    more().await;
    let third = Member::join(config.clone(), &seen);
    more().await;
    // What it had goes back to one that had it before.
    third.leave().await;
    more().await;
    stop.cancel();
    let published = publishing.await.unwrap();
    wait_until("all are seen", SOON, async || seen.count() == published).await;
    second.leave().await;
    // Two joined and two left after the first.
    assert!(seen.repeated() <= 4 * PARTITIONS * BATCH, "{} came again", seen.repeated());
    let committed = space.committed(Ordered::TOPIC).await;
    assert_eq!(committed.into_iter().map(Option::unwrap).collect::<Vec<_>>(), space.ends(Ordered::TOPIC).await);
}

#[tokio::test]
async fn members_that_come_and_go_lose_nothing() {
    come_and_go("cooperative-sticky", 1024 * 1024).await;
}

#[tokio::test]
async fn nor_do_they_where_all_partitions_are_taken_away_at_each_rebalance() {
    come_and_go("range", 1024 * 1024).await;
}

#[tokio::test]
async fn nor_where_partitions_are_paused_all_the_time() {
    come_and_go("cooperative-sticky", 3_000).await;
}

#[tokio::test]
async fn what_is_settled_too_late_belongs_to_another_and_comes_again() {
    let space = space(1).await;
    put_numbers(&space, 0, 0..10).await;
    let impatient =
        ConsumerConfig { batch_size: 5, drain_timeout: Duration::from_millis(200), ..consuming(space.config()) };
    let mut first = Consumer::start(impatient).unwrap();
    next(&mut first).await.token.settle();
    let held = next(&mut first).await;
    // The only partition goes to one of two; let it be taken from the first by its leaving.
    let leaving = tokio::spawn(first.close());
    let mut second = consumer(&space);
    let batch = next(&mut second).await;
    assert_eq!(number(&batch.records[0]), 5);
    assert!(held.token.is_revoked());
    held.token.settle();
    leaving.await.unwrap().unwrap();
    assert_eq!(space.committed(Ordered::TOPIC).await, [Some(5)], "the late settlement changed nothing");
    batch.token.settle();
    second.close().await.unwrap();
    assert_eq!(space.committed(Ordered::TOPIC).await, [Some(10)]);
}

/// Both members have a partition, and the first still has the batch that it had when the second came.
#[tokio::test]
async fn a_rebalance_leaves_alone_what_stays() {
    let space = space(2).await;
    put_numbers(&space, 0, [0]).await;
    put_numbers(&space, 1, [100]).await;
    let quick = ConsumerConfig { drain_timeout: Duration::from_millis(200), ..consuming(space.config()) };
    let mut first = Consumer::start(quick.clone()).unwrap();
    let mut held = vec![next(&mut first).await, next(&mut first).await];
    let mut second = Consumer::start(quick).unwrap();
    // One of the two partitions is given up at the end of the drain timeout, and comes to the second from its start.
    let taken = next(&mut second).await;
    held.retain(|batch| !batch.token.is_revoked());
    assert_eq!(held.len(), 1, "the other was not touched");
    let kept = held.remove(0);
    assert_ne!(kept.records[0].partition, taken.records[0].partition);
    for batch in [kept, taken] {
        batch.token.settle();
    }
    first.close().await.unwrap();
    second.close().await.unwrap();
    assert_eq!(total_committed(&space).await, 2);
}

async fn total_committed(space: &KafkaSpace) -> i64 {
    space.committed(Ordered::TOPIC).await.into_iter().flatten().sum()
}

/// A batch is dropped while a rebalance waits for another partition's batch. Records behind it that came meanwhile must
/// not be given out before it.
async fn drop_during_a_rebalance(drop_first: usize, buffer_bytes: usize) {
    let space = space(2).await;
    put_numbers(&space, 0, 0..20).await;
    put_numbers(&space, 1, 0..20).await;
    let config = ConsumerConfig { batch_size: 5, buffer_bytes, ..consuming(space.config()) };
    let mut first = Consumer::start(config.clone()).unwrap();
    let mut held = vec![next(&mut first).await, next(&mut first).await];
    held.sort_by_key(|batch| batch.records[0].partition);
    let mut second = Consumer::start(config).unwrap();
    let both = async || space.group().await == ("Stable".to_owned(), 2);
    wait_until("the second is a member", SOON, both).await;
    // The first is told at the same time as the broker says so, or is about to be.
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(held.remove(drop_first));
    put_numbers(&space, 0, 20..50).await;
    put_numbers(&space, 1, 20..50).await;
    drop(held);
    let mut seen: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
    while seen.values().map(Vec::len).sum::<usize>() < 100 {
        let batch = async {
            tokio::select! {
                batch = first.next() => batch,
                batch = second.next() => batch,
            }
        };
        let batch = tokio::time::timeout(SOON, batch).await.expect("a batch comes").unwrap();
        let offsets = seen.entry(batch.records[0].partition).or_default();
        offsets.extend(batch.records.iter().map(|record| record.offset));
        batch.token.settle();
    }
    for offsets in seen.values() {
        assert_eq!(*offsets, (0..50).collect::<Vec<_>>());
    }
    // The partition that went comes back, and goes on where the other left it.
    second.close().await.unwrap();
    put_numbers(&space, 0, [50]).await;
    put_numbers(&space, 1, [50]).await;
    assert_eq!(numbers(&mut first, 2).await, [50, 50]);
    first.close().await.unwrap();
    assert_eq!(total_committed(&space).await, 102);
}

// Which of the two partitions stays nobody says; so each is tried.
#[tokio::test]
async fn what_is_dropped_during_a_rebalance_comes_again_first() {
    drop_during_a_rebalance(0, 1024 * 1024).await;
}

#[tokio::test]
async fn what_is_dropped_of_the_other_partition_comes_again_first() {
    drop_during_a_rebalance(1, 1024 * 1024).await;
}

#[tokio::test]
async fn what_is_dropped_of_a_paused_partition_comes_again_first() {
    drop_during_a_rebalance(0, 1_000).await;
}

#[tokio::test]
async fn what_is_dropped_of_the_other_paused_partition_comes_again_first() {
    drop_during_a_rebalance(1, 1_000).await;
}

/// Else it would go on polling, and hold its partitions for as long as its process lives.
#[tokio::test]
async fn a_member_that_is_dropped_leaves_the_group() {
    let space = space(1).await;
    put_numbers(&space, 0, 0..10).await;
    let mut first = Consumer::start(ConsumerConfig { batch_size: 5, ..consuming(space.config()) }).unwrap();
    next(&mut first).await.token.settle();
    drop(first);
    let mut second = consumer(&space);
    assert_eq!(numbers(&mut second, 5).await, (5..10).collect::<Vec<_>>());
    second.close().await.unwrap();
}

/// The client remembers a pause even while the partition is another's.
#[tokio::test]
async fn a_paused_partition_that_was_taken_away_and_comes_back_is_read_again() {
    let space = space(1).await;
    let kafka = KafkaConfig { assignment_strategy: "range".into(), ..space.config() };
    let tiny = ConsumerConfig {
        buffer_bytes: 1_000,
        batch_size: 1,
        drain_timeout: Duration::from_millis(200),
        ..consuming(kafka)
    };
    put_numbers(&space, 0, 0..40).await;
    let mut first = Consumer::start(tiny.clone()).unwrap();
    // Nothing is settled, so the rest fills the buffer and the partition is paused.
    let held = next(&mut first).await;
    let second = Consumer::start(tiny).unwrap();
    wait_until("the partition is taken away", SOON, async || held.token.is_revoked()).await;
    second.close().await.unwrap();
    assert_eq!(numbers(&mut first, 40).await, (0..40).collect::<Vec<_>>());
    first.close().await.unwrap();
}

#[tokio::test]
async fn a_static_member_that_is_soon_back_has_its_partition_again() {
    let space = space(1).await;
    let kafka = KafkaConfig { group_instance_id: "one".into(), ..space.config() };
    put_numbers(&space, 0, 0..20).await;
    let mut first = Consumer::start(consuming(kafka.clone())).unwrap();
    assert_eq!(numbers(&mut first, 20).await, (0..20).collect::<Vec<_>>());
    first.close().await.unwrap();
    assert_eq!(space.group().await, ("Stable".to_owned(), 1), "it is away, and still a member");
    put_numbers(&space, 0, 20..30).await;
    let mut again = Consumer::start(consuming(kafka)).unwrap();
    assert_eq!(numbers(&mut again, 10).await, (20..30).collect::<Vec<_>>());
    again.close().await.unwrap();
}
