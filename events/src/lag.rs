//! How far groups are behind.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use rdkafka::{Message as _, Offset, TopicPartitionList, consumer::Consumer as _};

use crate::{
    KafkaError, Logs,
    logs::{Asker, Name, bounds, partitions},
};

/// How far a group is in a partition, and how far behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lag {
    /// The topic, as Kafka names it.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The next offset to be handed off; `None`: the group has none.
    pub committed: Option<i64>,
    /// The note that is with it.
    pub note: String,
    /// The first offset that is still there.
    pub begin: i64,
    /// The offset of the next record.
    pub end: i64,
    /// Records that are not known to be handed off.
    pub records: u64,
    /// The time of the first of them, as far as it was asked for and came in time.
    pub first: Option<DateTime<Utc>>,
}

impl Logs {
    /// How far the group is behind in each of these partitions, whose topics are named as Kafka does. A partition that
    /// nothing is known of is left out.
    pub async fn lags(&self, partitions: Vec<(Arc<str>, i32)>) -> Result<Vec<Lag>, KafkaError> {
        self.ask(move |client, timeout| {
            let mut lags = standings(client, &partitions, timeout)?;
            put_firsts(client, &mut lags, timeout / 4)?;
            Ok(lags)
        })
        .await
    }

    /// The same for all partitions of topics, which are named without the prefix; sorted.
    pub async fn lags_of(&self, topics: &[&str]) -> Result<Vec<Lag>, KafkaError> {
        let topics = self.full(topics);
        self.ask(move |client, timeout| {
            let mut lags = standings(client, &partitions(client, &topics, timeout)?, timeout)?;
            put_firsts(client, &mut lags, timeout / 4)?;
            Ok(lags)
        })
        .await
    }

    /// The same without the time of the first record, which is costly to know.
    pub async fn standings(&self, topics: &[&str]) -> Result<Vec<Lag>, KafkaError> {
        let topics = self.full(topics);
        self.ask(move |client, timeout| standings(client, &partitions(client, &topics, timeout)?, timeout)).await
    }

    fn full(&self, topics: &[&str]) -> Vec<String> {
        topics.iter().map(|topic| self.config.topic(topic)).collect()
    }
}

fn standings(client: &Asker, names: &[Name], timeout: Duration) -> Result<Vec<Lag>, KafkaError> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let mut list = TopicPartitionList::with_capacity(names.len());
    for (topic, partition) in names {
        list.add_partition(topic, *partition);
    }
    let committed = client.committed_offsets(list, timeout)?;
    let bounds = bounds(client, names, timeout)?;
    let mut lags = Vec::with_capacity(names.len());
    for name in names {
        let Some(&(begin, end)) = bounds.get(name) else { continue };
        let found = committed.find_partition(&name.0, name.1);
        let note = found.as_ref().map(|element| element.metadata().to_owned()).unwrap_or_default();
        let committed = found.and_then(|element| match element.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        });
        let next = committed.unwrap_or(begin).max(begin);
        let records = u64::try_from(end - next).unwrap_or_default();
        let (topic, partition) = name.clone();
        lags.push(Lag { topic, partition, committed, note, begin, end, records, first: None });
    }
    lags.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
    Ok(lags)
}

/// The first record of each partition that is behind says since when.
fn put_firsts(client: &Asker, lags: &mut [Lag], patience: Duration) -> Result<(), KafkaError> {
    let (mut behind, mut unseen) = (TopicPartitionList::new(), HashSet::new());
    for lag in lags.iter().filter(|lag| lag.records > 0) {
        let next = lag.committed.unwrap_or(lag.begin).max(lag.begin);
        behind.add_partition_offset(&lag.topic, lag.partition, Offset::Offset(next))?;
        unseen.insert((lag.topic.clone(), lag.partition));
    }
    if unseen.is_empty() {
        return Ok(());
    }
    client.assign(&behind)?;
    let deadline = Instant::now() + patience;
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
    Ok(())
}
