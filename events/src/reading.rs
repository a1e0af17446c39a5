//! A few records of a partition, to be looked at. Nothing is committed, and no group is joined.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use rdkafka::{Message as _, Offset, TopicPartitionList, consumer::Consumer as _, error::KafkaError as Client};

use crate::{
    KafkaError, Logs, Record,
    logs::{Asker, Name, bounds, partitions},
};

/// Where to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The last ones.
    Newest,
    /// From this offset on.
    At(i64),
    /// The last ones before this offset.
    Before(i64),
    /// From the first record on that is no older.
    Since(DateTime<Utc>),
}

/// Records that were read.
#[derive(Debug, Clone)]
pub struct Reading {
    /// In order.
    pub records: Vec<Record>,
    /// The first offset that is still there.
    pub begin: i64,
    /// The offset of the partition's next record.
    pub end: i64,
    /// The first offset that was looked at.
    pub from: i64,
    /// The offset behind the last one that was looked at.
    pub to: i64,
}

/// Bytes of records that are given.
const MOST_BYTES: usize = 1024 * 1024;
/// Records that are looked at for those of one key.
const MOST_LOOKED_AT: i64 = 5_000;
/// One fetch brings about as much as is shown; the end of a partition is told.
const SETTINGS: [(&str, &str); 3] =
    [("enable.partition.eof", "true"), ("fetch.message.max.bytes", "524288"), ("queued.max.messages.kbytes", "1024")];

impl Logs {
    /// Up to `most` records of a partition of a topic that is named as Kafka does, in about a megabyte; of one key only, if
    /// one is given: these are looked for among some thousand.
    pub async fn read(
        &self,
        topic: &str,
        partition: i32,
        start: Start,
        key: Option<&[u8]>,
        most: usize,
    ) -> Result<Reading, KafkaError> {
        let (topic, key) = (topic.to_owned(), key.map(<[u8]>::to_vec));
        self.ask_with(&SETTINGS, move |client, timeout| {
            let names = partitions(client, std::slice::from_ref(&topic), timeout)?;
            let Some(name) = names.iter().find(|name| name.1 == partition) else {
                return Err(match names.len() {
                    0 => KafkaError::UnknownTopic(topic),
                    has => KafkaError::NoPartition { topic, partition, has },
                });
            };
            let wanted = Wanted { name, start, key: key.as_deref(), most };
            wanted.read(client, timeout)
        })
        .await
    }
}

struct Wanted<'a> {
    name: &'a Name,
    start: Start,
    key: Option<&'a [u8]>,
    most: usize,
}

impl Wanted<'_> {
    fn read(&self, client: &Asker, timeout: Duration) -> Result<Reading, KafkaError> {
        let bounds = bounds(client, std::slice::from_ref(self.name), timeout)?;
        let Some(&(begin, end)) = bounds.get(self.name) else {
            return Err(KafkaError::UnknownTopic(self.name.0.to_string()));
        };
        // A topic that is made anew between the two questions ends before it began.
        let end = end.max(begin);
        // How many offsets are looked at, at most.
        let span = if self.key.is_some() { MOST_LOOKED_AT } else { i64::try_from(self.most).unwrap_or(MOST_LOOKED_AT) };
        let (from, to) = match self.start {
            Start::Newest => (end.saturating_sub(span), end),
            Start::Before(offset) => (offset.min(end).saturating_sub(span), offset.min(end)),
            // Without a key: gaps in a compacted partition count for nothing.
            Start::At(offset) => (offset, if self.key.is_some() { offset.saturating_add(span) } else { end }),
            Start::Since(time) => (self.offset_at(client, time, end, timeout)?, end),
        };
        let (from, to) = (from.clamp(begin, end), to.clamp(begin, end));
        let mut reading = Reading { records: Vec::new(), begin, end, from, to: from };
        if from < to {
            self.fill(client, &mut reading, to, timeout)?;
        }
        Ok(reading)
    }

    fn offset_at(&self, client: &Asker, time: DateTime<Utc>, end: i64, timeout: Duration) -> Result<i64, KafkaError> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.name.0, self.name.1, Offset::Offset(time.timestamp_millis().max(0)))?;
        let found = client.offsets_for_times(list, timeout)?;
        Ok(match found.find_partition(&self.name.0, self.name.1).map(|element| element.offset()) {
            Some(Offset::Offset(offset)) => offset,
            _ => end,
        })
    }

    fn fill(&self, client: &Asker, reading: &mut Reading, to: i64, timeout: Duration) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.name.0, self.name.1, Offset::Offset(reading.from))?;
        client.assign(&list)?;
        let deadline = Instant::now() + timeout;
        let keeps_last = matches!(self.start, Start::Newest | Start::Before(_));
        let (mut records, mut bytes, mut looked_at) = (VecDeque::new(), 0, 0);
        while let Some(message) = client.poll(deadline.saturating_duration_since(Instant::now())) {
            let message = match message {
                Ok(message) => message,
                Err(Client::PartitionEOF(_)) => {
                    reading.to = to;
                    break;
                }
                Err(error) => return Err(error.into()),
            };
            if message.offset() >= to {
                reading.to = to;
                break;
            }
            looked_at += 1;
            if self.key.is_none_or(|key| message.key() == Some(key)) {
                let record = Record::of(&message, self.name.0.clone());
                bytes += record.size();
                records.push_back(record);
                while keeps_last && (records.len() > self.most || (bytes > MOST_BYTES && records.len() > 1)) {
                    bytes -= records.pop_front().map_or(0, |record: Record| record.size());
                }
            }
            reading.to = message.offset() + 1;
            let is_full = !keeps_last && (records.len() >= self.most || bytes > MOST_BYTES);
            if is_full || reading.to >= to || looked_at >= MOST_LOOKED_AT {
                break;
            }
        }
        // What was let go in front was not looked at, as far as pages are concerned.
        if let (true, Some(first)) = (keeps_last && self.key.is_none(), records.front()) {
            reading.from = first.offset;
        }
        reading.records = records.into();
        Ok(())
    }
}
