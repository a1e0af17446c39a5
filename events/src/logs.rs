//! What Kafka has of a partition, and of a group: asked once in a while, by a client made for the question.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::RDKafkaErrorCode as Code,
    metadata::{MetadataPartition, MetadataTopic},
    topic_partition_list::TopicPartitionListElem,
};

use crate::{KafkaConfig, KafkaError, complaints::Silent};

/// Looks into partitions. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Logs {
    pub(crate) config: KafkaConfig,
    timeout: Duration,
}

/// The first record at or after an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Its offset.
    pub offset: i64,
    /// Its time in milliseconds since 1970, if it has one.
    pub timestamp: Option<i64>,
}

/// How far a group is behind in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lag {
    /// The topic, as Kafka names it.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// Records that are not known to be handed off.
    pub records: u64,
    /// The time of the first of them, as far as it came in time.
    pub first: Option<DateTime<Utc>>,
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

    /// How far the group is behind in each of these partitions, whose topics are named as Kafka does. A partition that
    /// nothing is known of is left out.
    pub async fn lags(&self, partitions: Vec<(Arc<str>, i32)>) -> Result<Vec<Lag>, KafkaError> {
        self.ask(move |client, timeout| {
            let mut list = TopicPartitionList::with_capacity(partitions.len());
            for (topic, partition) in &partitions {
                list.add_partition(topic, *partition);
            }
            let committed = client.committed_offsets(list, timeout)?;
            let mut lags = Vec::with_capacity(partitions.len());
            let (mut behind, mut unseen) = (TopicPartitionList::new(), HashSet::new());
            for (topic, partition) in partitions {
                let (begin, end) = client.fetch_watermarks(&topic, partition, timeout)?;
                let committed = committed.find_partition(&topic, partition).map(|element| element.offset());
                let next = if let Some(Offset::Offset(offset)) = committed { offset.max(begin) } else { begin };
                let records = u64::try_from(end - next).unwrap_or_default();
                if records > 0 {
                    behind.add_partition_offset(&topic, partition, Offset::Offset(next))?;
                    unseen.insert((topic.clone(), partition));
                }
                lags.push(Lag { topic, partition, records, first: None });
            }
            // The first record of each that is behind says since when.
            client.assign(&behind)?;
            let deadline = Instant::now() + timeout / 4;
            while !unseen.is_empty() {
                let Some(message) = client.poll(deadline.saturating_duration_since(Instant::now())) else { break };
                let message = message?;
                let is_of = |lag: &&mut Lag| &*lag.topic == message.topic() && lag.partition == message.partition();
                if let Some(lag) = lags.iter_mut().find(is_of)
                    && unseen.remove(&(lag.topic.clone(), lag.partition))
                {
                    lag.first = message.timestamp().to_millis().and_then(DateTime::from_timestamp_millis);
                    let mut seen = TopicPartitionList::new();
                    seen.add_partition(message.topic(), message.partition());
                    client.pause(&seen)?;
                }
            }
            Ok(lags)
        })
        .await
    }

    /// Asks by a client of its own, on a thread that may block.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&BaseConsumer<Silent>, Duration) -> Result<T, KafkaError> + Send + 'static,
    ) -> Result<T, KafkaError> {
        let (config, timeout) = (self.config.clone(), self.timeout);
        let asking = tokio::task::spawn_blocking(move || {
            let mut settings = config.consumer();
            // It is not told where to begin by anything but us; what is out of range is an answer.
            settings.set("auto.offset.reset", "earliest");
            let client: BaseConsumer<Silent> =
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
