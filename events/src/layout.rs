//! How topics lie on the brokers.

use std::sync::Arc;

use rdkafka::{
    consumer::Consumer as _,
    metadata::{MetadataPartition, MetadataTopic},
};
use serde::Serialize;

use crate::{
    KafkaError, Logs,
    logs::{Name, bounds},
};

/// A topic, as its brokers know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopicLayout {
    /// Its name, as Kafka has it.
    pub name: String,
    /// Its partitions, in order.
    pub partitions: Vec<PartitionLayout>,
}

/// A partition, as its brokers know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartitionLayout {
    /// Its number.
    pub partition: i32,
    /// The broker that leads it; -1: none.
    pub leader: i32,
    /// The brokers that have copies of it.
    pub replicas: Vec<i32>,
    /// Those of them that are up to date.
    pub in_sync: Vec<i32>,
    /// The first offset that is still there, if that is known.
    pub begin: Option<i64>,
    /// The offset of the next record, if that is known.
    pub end: Option<i64>,
}

impl PartitionLayout {
    /// Records that it holds, or held before it was compacted.
    pub fn records(&self) -> u64 {
        let count = self.begin.zip(self.end).map(|(begin, end)| end - begin);
        count.and_then(|count| u64::try_from(count).ok()).unwrap_or_default()
    }
}

impl Logs {
    /// One topic, named as Kafka does; nothing if it is not there.
    pub async fn layout(&self, topic: &str) -> Result<Option<TopicLayout>, KafkaError> {
        let topic = topic.to_owned();
        let found = self
            .ask(move |client, timeout| {
                let metadata = client.fetch_metadata(Some(&topic), timeout)?;
                let mut found: Vec<TopicLayout> = metadata.topics().iter().map(layout).collect();
                put_bounds(&mut found, |names| bounds(client, names, timeout))?;
                Ok(found)
            })
            .await?;
        Ok(found.into_iter().find(|topic| !topic.partitions.is_empty()))
    }

    /// All topics under the prefix without Kafka's own, sorted by `rank` and then by name; at most `most` of them, and how
    /// many there are.
    pub async fn layouts<R: Ord>(
        &self,
        rank: impl Fn(&str) -> R + Send + 'static,
        most: usize,
    ) -> Result<(Vec<TopicLayout>, usize), KafkaError> {
        let prefix = self.config.topic_prefix.clone();
        self.ask(move |client, timeout| {
            let metadata = client.fetch_metadata(None, timeout)?;
            let is_ours = |topic: &&MetadataTopic| topic.name().starts_with(&prefix) && !topic.name().starts_with("__");
            let mut ours: Vec<&MetadataTopic> = metadata.topics().iter().filter(is_ours).collect();
            ours.sort_by(|a, b| (rank(a.name()), a.name()).cmp(&(rank(b.name()), b.name())));
            let all = ours.len();
            let mut found: Vec<TopicLayout> = ours.into_iter().take(most).map(layout).collect();
            put_bounds(&mut found, |names| bounds(client, names, timeout))?;
            Ok((found, all))
        })
        .await
    }
}

fn layout(topic: &MetadataTopic) -> TopicLayout {
    let of = |partition: &MetadataPartition| PartitionLayout {
        partition: partition.id(),
        leader: partition.leader(),
        replicas: partition.replicas().to_vec(),
        in_sync: partition.isr().to_vec(),
        begin: None,
        end: None,
    };
    let mut partitions: Vec<PartitionLayout> = topic.partitions().iter().map(of).collect();
    partitions.sort_by_key(|partition| partition.partition);
    TopicLayout { name: topic.name().to_owned(), partitions }
}

type Bounds = std::collections::HashMap<Name, (i64, i64)>;

fn put_bounds(
    topics: &mut [TopicLayout],
    bounds: impl FnOnce(&[Name]) -> Result<Bounds, KafkaError>,
) -> Result<(), KafkaError> {
    let mut names: Vec<Name> = Vec::new();
    for topic in &*topics {
        let name: Arc<str> = topic.name.as_str().into();
        // One without a leader would have all others wait.
        let led = topic.partitions.iter().filter(|partition| partition.leader >= 0);
        names.extend(led.map(|partition| (name.clone(), partition.partition)));
    }
    let bounds = bounds(&names)?;
    for topic in topics {
        let name: Arc<str> = topic.name.as_str().into();
        for partition in &mut topic.partitions {
            let found = bounds.get(&(name.clone(), partition.partition));
            (partition.begin, partition.end) = (found.map(|it| it.0), found.map(|it| it.1));
        }
    }
    Ok(())
}
