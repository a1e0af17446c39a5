//! What the tests work with: an event, topics, consumers.

use std::time::Duration;

use millgate_events::{Batch, Consumer, ConsumerConfig, Event, KafkaConfig, Producer, Record};
use millgate_testkit::{KafkaSpace, wait_until};
use serde::{Deserialize, Serialize};

/// For everything that takes as long as the machine makes it.
pub(crate) const SOON: Duration = Duration::from_mins(2);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ordered {
    pub(crate) order: String,
    pub(crate) n: usize,
}

impl Event for Ordered {
    const TYPE: &'static str = "order.created";
    const VERSION: u32 = 2;
    const TOPIC: &'static str = "orders";

    fn key(&self) -> String {
        self.order.clone()
    }
}

pub(crate) fn ordered(order: &str, n: usize) -> Ordered {
    Ordered { order: order.into(), n }
}

/// A space with the topic of [`Ordered`].
pub(crate) async fn space(partitions: usize) -> KafkaSpace {
    let space = KafkaSpace::fresh("events");
    space.create(Ordered::TOPIC, partitions).await;
    space
}

pub(crate) fn producer(config: &KafkaConfig) -> Producer {
    Producer::new(config, "shop").unwrap()
}

/// Puts records whose values are numbers on a partition.
pub(crate) async fn put_numbers(space: &KafkaSpace, partition: i32, numbers: impl IntoIterator<Item = usize>) {
    for number in numbers {
        let value = number.to_string();
        space.put(Ordered::TOPIC, partition, None, Some(value.as_bytes()), &[]).await;
    }
}

pub(crate) fn number(record: &Record) -> usize {
    std::str::from_utf8(record.value.as_deref().unwrap()).unwrap().parse().unwrap()
}

/// What the tests consume with: commits are quick, and nothing else is special.
pub(crate) fn consuming(kafka: KafkaConfig) -> ConsumerConfig {
    ConsumerConfig {
        kafka,
        topics: vec![Ordered::TOPIC.into()],
        batch_size: 100,
        buffer_bytes: 1024 * 1024,
        commit_interval: Duration::from_millis(50),
        drain_timeout: Duration::from_secs(10),
    }
}

pub(crate) fn consumer(space: &KafkaSpace) -> Consumer {
    Consumer::start(consuming(space.config())).unwrap()
}

pub(crate) async fn next(consumer: &mut Consumer) -> Batch {
    tokio::time::timeout(SOON, consumer.next()).await.expect("a batch comes").expect("a consumer that runs")
}

/// The numbers of so many records, in the order they come; their batches are settled.
pub(crate) async fn numbers(consumer: &mut Consumer, count: usize) -> Vec<usize> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        let batch = next(consumer).await;
        numbers.extend(batch.records.iter().map(number));
        batch.token.settle();
    }
    numbers
}

pub(crate) async fn wait_committed(space: &KafkaSpace, expected: &[Option<i64>]) {
    let committed = async || space.committed(Ordered::TOPIC).await == expected;
    wait_until(&format!("{expected:?} is committed"), SOON, committed).await;
}
