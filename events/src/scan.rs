//! Records themselves, read where they lie, or looked for within bounds.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    metadata::{MetadataPartition, MetadataTopic},
};
use serde::Serialize;

use crate::{KafkaError, Logs, Record, complaints::Silent};

/// Where a record lies: topic as Kafka names it, partition, offset.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Place {
    /// Its topic, as Kafka names it.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
}

/// What is looked through.
#[derive(Debug, Clone)]
pub struct Scan {
    /// Topics, without the prefix. Those that are not there are passed over.
    pub topics: Vec<String>,
    /// Records of this time or later; nothing: from the beginning on.
    pub since: Option<DateTime<Utc>>,
    /// No record that is later than this.
    pub until: Option<DateTime<Utc>>,
    /// Ends when so many are found,
    pub most: usize,
    /// or so many were looked at,
    pub records: u64,
    /// or after so long.
    pub within: Duration,
}

/// What came of it.
#[derive(Debug)]
pub struct Scanned {
    /// Those that were wanted, partition by partition in their order.
    pub found: Vec<Record>,
    /// How many were looked at.
    pub looked_at: u64,
    /// Whether all there are within the times were looked at, rather than a bound reached.
    pub is_whole: bool,
}

impl Logs {
    /// The records at these places, in their order; `None` where there is none any more.
    pub async fn records(&self, places: Vec<Place>) -> Result<Vec<Option<Record>>, KafkaError> {
        if places.is_empty() {
            return Ok(Vec::new());
        }
        self.ask(move |client, timeout| places.iter().map(|place| read(client, place, timeout)).collect()).await
    }

    /// Looks through topics for records that are `wanted`.
    pub async fn scan(
        &self,
        scan: Scan,
        wanted: impl FnMut(&Record) -> bool + Send + 'static,
    ) -> Result<Scanned, KafkaError> {
        let topics: Vec<String> = scan.topics.iter().map(|topic| self.config.topic(topic)).collect();
        self.ask(move |client, timeout| look_through(client, timeout, &topics, &scan, wanted)).await
    }
}

fn read(client: &BaseConsumer<Silent>, place: &Place, timeout: Duration) -> Result<Option<Record>, KafkaError> {
    let Place { topic, partition, offset } = place;
    // What lies outside of the log would be waited for, or another record be given for it.
    let (begin, end) = client.fetch_watermarks(topic, *partition, timeout)?;
    if !(begin..end).contains(offset) {
        return Ok(None);
    }
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
    client.assign(&list)?;
    let Some(message) = client.poll(timeout) else { return Ok(None) };
    let message = message?;
    // Compaction leaves holes.
    Ok((message.offset() == *offset).then(|| Record::of(&message, topic.as_str().into())))
}

/// What is left of each partition: from its first wanted offset to its end.
type Ranges = HashMap<(Arc<str>, i32), (i64, i64)>;

fn ranges(
    client: &BaseConsumer<Silent>,
    timeout: Duration,
    topics: &[String],
    since: Option<DateTime<Utc>>,
) -> Result<Ranges, KafkaError> {
    let metadata = client.fetch_metadata(None, timeout)?;
    let mut list = TopicPartitionList::new();
    for topic in metadata.topics().iter().filter(|topic| topics.iter().any(|name| name == MetadataTopic::name(topic))) {
        for partition in topic.partitions().iter().map(MetadataPartition::id) {
            let time = since.map_or(0, |since| since.timestamp_millis().max(0));
            list.add_partition_offset(topic.name(), partition, Offset::Offset(time))?;
        }
    }
    let mut ranges = Ranges::new();
    if list.count() == 0 {
        return Ok(ranges);
    }
    let found = if since.is_some() { Some(client.offsets_for_times(list.clone(), timeout)?) } else { None };
    for element in list.elements() {
        let (topic, partition) = (element.topic(), element.partition());
        let (begin, end) = client.fetch_watermarks(topic, partition, timeout)?;
        let from = match &found {
            None => begin,
            Some(found) => match found.find_partition(topic, partition).map(|element| element.offset()) {
                Some(Offset::Offset(offset)) => offset.max(begin),
                // Nothing of it is so late.
                _ => end,
            },
        };
        if from < end {
            ranges.insert((topic.into(), partition), (from, end));
        }
    }
    Ok(ranges)
}

fn look_through(
    client: &BaseConsumer<Silent>,
    timeout: Duration,
    topics: &[String],
    scan: &Scan,
    mut wanted: impl FnMut(&Record) -> bool,
) -> Result<Scanned, KafkaError> {
    let mut left = ranges(client, timeout, topics, scan.since)?;
    let mut list = TopicPartitionList::new();
    for ((topic, partition), (from, _)) in &left {
        list.add_partition_offset(topic, *partition, Offset::Offset(*from))?;
    }
    client.assign(&list)?;
    let deadline = Instant::now() + scan.within;
    let until = scan.until.map(|until| until.timestamp_millis());
    let mut scanned = Scanned { found: Vec::new(), looked_at: 0, is_whole: false };
    while !left.is_empty() && scanned.found.len() < scan.most && scanned.looked_at < scan.records {
        let Some(patience) = deadline.checked_duration_since(Instant::now()) else { return Ok(scanned) };
        let Some(message) = client.poll(patience) else { return Ok(scanned) };
        let message = message?;
        let key = (Arc::<str>::from(message.topic()), message.partition());
        let Some((_, end)) = left.get(&key) else { continue };
        let is_late = message.timestamp().to_millis().zip(until).is_some_and(|(time, until)| time > until);
        let is_last = message.offset() + 1 >= *end;
        if message.offset() < *end && !is_late {
            scanned.looked_at += 1;
            let record = Record::of(&message, key.0.clone());
            if wanted(&record) {
                scanned.found.push(record);
            }
        }
        if is_late || is_last {
            let mut over = TopicPartitionList::new();
            over.add_partition(&key.0, key.1);
            client.pause(&over)?;
            left.remove(&key);
        }
    }
    scanned.is_whole = left.is_empty();
    Ok(scanned)
}
