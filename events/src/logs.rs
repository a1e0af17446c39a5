//! What Kafka has of a partition, and of a group: asked once in a while, by a client made for the question.

use std::{collections::HashMap, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::RDKafkaErrorCode as Code,
    metadata::{MetadataPartition, MetadataTopic},
    topic_partition_list::TopicPartitionListElem,
};

use crate::{KafkaConfig, KafkaError, Start, complaints::Silent};

/// Looks into partitions. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Logs {
    pub(crate) config: KafkaConfig,
    timeout: Duration,
}

/// A client that asks, and is in no group.
pub(crate) type Asker = BaseConsumer<Silent>;

/// A topic, as Kafka names it, and a partition.
pub(crate) type Name = (Arc<str>, i32);

/// The first record at or after an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Its offset.
    pub offset: i64,
    /// Its time in milliseconds since 1970, if it has one.
    pub timestamp: Option<i64>,
}

/// How far a group is in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The topic, as Kafka names it.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The next offset to be handed off; `None`: the group has none.
    pub offset: Option<i64>,
    /// The note that is with it.
    pub note: String,
}

impl Logs {
    /// Connects when asked. An answer takes at most `timeout`.
    pub fn new(config: &KafkaConfig, timeout: Duration) -> Self {
        Self { config: config.clone(), timeout }
    }

    /// Where a partition begins (the first offset that is still there) and ends (the offset of its next record).
    pub async fn bounds(&self, topic: &str, partition: i32) -> Result<(i64, i64), KafkaError> {
        let topic = topic.to_owned();
        self.ask(move |client, timeout| Ok(client.fetch_watermarks(&topic, partition, timeout)?)).await
    }

    /// The record at an offset, or the first after it; the partition's first, if it ends before. `None`, after the timeout, if
    /// there is none at all.
    pub async fn record_at(&self, topic: &str, partition: i32, offset: i64) -> Result<Option<Found>, KafkaError> {
        let topic = topic.to_owned();
        self.ask(move |client, timeout| {
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(&topic, partition, Offset::Offset(offset))?;
            client.assign(&list)?;
            match client.poll(timeout) {
                None => Ok(None),
                Some(message) => {
                    let message = message?;
                    let timestamp = message.timestamp().to_millis().filter(|&time| time >= 0);
                    Ok(Some(Found { offset: message.offset(), timestamp }))
                }
            }
        })
        .await
    }

    /// The first offset of a record no older than `time`, or the partition's end.
    pub async fn offset_at(&self, topic: &str, partition: i32, time: DateTime<Utc>) -> Result<i64, KafkaError> {
        let topic = topic.to_owned();
        self.ask(move |client, timeout| {
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(&topic, partition, Offset::Offset(time.timestamp_millis().max(0)))?;
            let found = client.offsets_for_times(list, timeout)?;
            match found.elements().first().map(TopicPartitionListElem::offset) {
                Some(Offset::Offset(offset)) => Ok(offset),
                _ => Ok(client.fetch_watermarks(&topic, partition, timeout)?.1),
            }
        })
        .await
    }

    /// What the group has committed for every partition of a topic, whose name is that without the prefix. Nothing for a topic
    /// that is not there.
    pub async fn committed(&self, topic: &str) -> Result<Vec<Committed>, KafkaError> {
        let topic = self.config.topic(topic);
        self.ask(move |client, timeout| {
            let metadata = client.fetch_metadata(Some(&topic), timeout)?;
            let mut list = TopicPartitionList::new();
            for partition in metadata.topics().iter().flat_map(MetadataTopic::partitions).map(MetadataPartition::id) {
                list.add_partition(&topic, partition);
            }
            if list.count() == 0 {
                return Ok(Vec::new());
            }
            let committed = client.committed_offsets(list, timeout)?;
            let committed = committed.elements().into_iter().map(|element| Committed {
                topic: topic.clone(),
                partition: element.partition(),
                offset: if let Offset::Offset(offset) = element.offset() { Some(offset) } else { None },
                note: element.metadata().to_owned(),
            });
            Ok(committed.collect())
        })
        .await
    }

    /// How many partitions each of these topics has, which are named as Kafka does; 0 for one that is not there.
    pub async fn partitions(&self, topics: &[String]) -> Result<Vec<usize>, KafkaError> {
        let topics = topics.to_vec();
        self.ask(move |client, timeout| {
            let of_topic = |topic: &String| Ok(partitions(client, std::slice::from_ref(topic), timeout)?.len());
            topics.iter().map(of_topic).collect()
        })
        .await
    }

    /// Whether a partition has no record at or after an offset. Marks of transactions are no records.
    pub async fn is_at_end(&self, topic: &str, partition: i32, offset: i64) -> Result<bool, KafkaError> {
        let (begin, end) = self.bounds(topic, partition).await?;
        if offset >= end || begin == end {
            // Beyond the end there is another topic's.
            return Ok(offset <= end);
        }
        let reading = self.read(topic, partition, Start::At(offset), None, 1).await?;
        Ok(reading.records.is_empty() && reading.to >= end)
    }

    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Asker, Duration) -> Result<T, KafkaError> + Send + 'static,
    ) -> Result<T, KafkaError> {
        self.ask_with(&[], question).await
    }

    /// The same by a client with some settings of its own. It is closed with the answer: nobody who went away keeps one open.
    pub(crate) async fn ask_with<T: Send + 'static>(
        &self,
        own: &'static [(&'static str, &'static str)],
        question: impl FnOnce(&Asker, Duration) -> Result<T, KafkaError> + Send + 'static,
    ) -> Result<T, KafkaError> {
        let (config, timeout) = (self.config.clone(), self.timeout);
        let asking = tokio::task::spawn_blocking(move || {
            let mut settings = config.consumer();
            for (name, value) in own {
                settings.set(*name, *value);
            }
            // It is not told where to begin by anything but us; what is out of range is an answer.
            settings.set("auto.offset.reset", "earliest");
            let client: Asker =
                settings.create_with_context(Silent).map_err(|error| KafkaError::Config(error.to_string()))?;
            question(&client, timeout)
        });
        asking.await.map_err(|_| KafkaError::Closed)?.map_err(|error| match error {
            KafkaError::Client(error)
                if matches!(
                    error.rdkafka_error_code(),
                    Some(Code::BrokerTransportFailure | Code::AllBrokersDown | Code::OperationTimedOut)
                ) =>
            {
                KafkaError::Unreachable { brokers: self.config.brokers.clone(), reason: error.to_string() }
            }
            error => error,
        })
    }
}

/// Where partitions begin and end, in two questions for all of them. A partition that is not there is left out.
pub(crate) fn bounds(
    client: &Asker,
    names: &[Name],
    timeout: Duration,
) -> Result<HashMap<Name, (i64, i64)>, KafkaError> {
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let (begins, mut ends) =
        (offsets(client, names, Offset::Beginning, timeout)?, offsets(client, names, Offset::End, timeout)?);
    let bounds = begins.into_iter().filter_map(|(name, begin)| {
        let end = ends.remove(&name)?;
        Some((name, (begin, end)))
    });
    Ok(bounds.collect())
}

/// The protocol asks for the first and the last offset as for those of a time.
fn offsets(client: &Asker, names: &[Name], of: Offset, timeout: Duration) -> Result<HashMap<Name, i64>, KafkaError> {
    let mut list = TopicPartitionList::with_capacity(names.len());
    for (topic, partition) in names {
        list.add_partition_offset(topic, *partition, of)?;
    }
    let found = client.offsets_for_times(list, timeout)?;
    let offsets = names.iter().filter_map(|(topic, partition)| {
        let element = found.find_partition(topic, *partition)?;
        match (element.error(), element.offset()) {
            (Ok(()), Offset::Offset(offset)) => Some(((topic.clone(), *partition), offset)),
            _ => None,
        }
    });
    Ok(offsets.collect())
}

/// All partitions of topics, as Kafka names them; of one that is not there none.
pub(crate) fn partitions(client: &Asker, topics: &[String], timeout: Duration) -> Result<Vec<Name>, KafkaError> {
    let mut names = Vec::new();
    for topic in topics {
        let metadata = client.fetch_metadata(Some(topic), timeout)?;
        let name: Arc<str> = topic.as_str().into();
        let found = metadata.topics().iter().flat_map(MetadataTopic::partitions).map(MetadataPartition::id);
        names.extend(found.map(|partition| (name.clone(), partition)));
    }
    Ok(names)
}
