//! Where a replay begins and ends in each partition, and how far it is.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use rdkafka::{Offset, TopicPartitionList, consumer::Consumer as _};

use super::Selection;
use crate::{
    KafkaError, Logs,
    logs::{Asker, Name, bounds, partitions},
};

/// Times of records are out of order by no more than this, as far as `until` is concerned: producers send late and again, and
/// their clocks differ.
const DISORDER: TimeDelta = TimeDelta::hours(1);

/// A partition of a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The topic, as Kafka names it.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The first offset that is wanted.
    pub from: i64,
    /// What lies below this is done.
    pub next: i64,
    /// The offset behind the last one.
    pub until: i64,
    /// The destination's own note.
    pub note: String,
}

impl Span {
    /// `topic/partition`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.topic, self.partition)
    }

    /// Whether all of it is done.
    pub fn is_done(&self) -> bool {
        self.next >= self.until
    }
}

/// All of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Sorted by topic and partition.
    pub spans: Vec<Span>,
    /// The destination's own note.
    pub note: String,
}

impl Progress {
    /// How many offsets are done, and how many there are.
    pub fn figures(&self) -> (u64, u64) {
        let count = |from: i64, to: i64| u64::try_from(to - from).unwrap_or_default();
        let done = self.spans.iter().map(|span| count(span.from, span.next.min(span.until))).sum();
        (done, self.spans.iter().map(|span| count(span.from, span.until)).sum())
    }

    /// One partition.
    pub fn span(&mut self, topic: &str, partition: i32) -> Option<&mut Span> {
        self.spans.iter_mut().find(|span| &*span.topic == topic && span.partition == partition)
    }
}

impl Logs {
    /// Where the partitions begin and end that a selection is about: the end is that of now. Where offsets are named that
    /// Kafka does not have any more, it begins there all the same, and they count as missing.
    pub async fn spans(&self, selection: &Selection) -> Result<Vec<Span>, KafkaError> {
        let selection = selection.clone();
        let prefix = self.config.topic_prefix.clone();
        self.ask(move |client, timeout| {
            let topics: Vec<String> = selection.topics.iter().map(|topic| format!("{prefix}{topic}")).collect();
            let names = partitions(client, &topics, timeout)?;
            if let Some(missing) = topics.iter().find(|topic| names.iter().all(|name| *name.0 != ***topic)) {
                return Err(KafkaError::UnknownTopic(missing.clone()));
            }
            let mut bounds: BTreeMap<Name, (i64, i64)> = bounds(client, &names, timeout)?.into_iter().collect();
            if !selection.offsets.is_empty() {
                bounds = named(&selection, &prefix, &bounds)?;
            }
            if let Some(from) = selection.from {
                let begins = offsets_at(client, &bounds, from, timeout)?;
                for (name, (begin, end)) in &mut bounds {
                    *begin = begins.get(name).map_or(*end, |at| (*at).max(*begin));
                }
            }
            if let Some(until) = selection.until.and_then(|until| until.checked_add_signed(DISORDER)) {
                let ends = offsets_at(client, &bounds, until, timeout)?;
                for (name, (_, end)) in &mut bounds {
                    *end = ends.get(name).map_or(*end, |at| (*at).min(*end));
                }
            }
            let spans = bounds.into_iter().filter(|(_, (from, until))| from < until);
            Ok(spans
                .map(|((topic, partition), (from, until))| Span {
                    topic,
                    partition,
                    from,
                    next: from,
                    until,
                    note: String::new(),
                })
                .collect())
        })
        .await
    }
}

/// The stretches that are named. Those of one partition are one, from the first to the last.
fn named(
    selection: &Selection,
    prefix: &str,
    bounds: &BTreeMap<Name, (i64, i64)>,
) -> Result<BTreeMap<Name, (i64, i64)>, KafkaError> {
    let mut ranges = BTreeMap::<Name, (i64, i64)>::new();
    for range in &selection.offsets {
        let topic = format!("{prefix}{}", range.topic);
        let name: Name = (topic.as_str().into(), range.partition);
        let Some((_, end)) = bounds.get(&name) else {
            let has = bounds.keys().filter(|(other, _)| **other == *topic).count();
            return Err(KafkaError::NoPartition { topic, partition: range.partition, has });
        };
        let (from, until) = (range.from, range.until.map_or(*end, |until| until.min(*end)));
        let whole = ranges.entry(name).or_insert((from, until));
        *whole = (whole.0.min(from), whole.1.max(until));
    }
    Ok(ranges)
}

/// The first offset of a record that is no older; partitions without one are left out.
fn offsets_at(
    client: &Asker,
    bounds: &BTreeMap<Name, (i64, i64)>,
    time: DateTime<Utc>,
    timeout: Duration,
) -> Result<BTreeMap<Name, i64>, KafkaError> {
    let mut list = TopicPartitionList::new();
    for (topic, partition) in bounds.keys() {
        list.add_partition_offset(topic, *partition, Offset::Offset(time.timestamp_millis().max(0)))?;
    }
    if list.count() == 0 {
        return Ok(BTreeMap::new());
    }
    let found = client.offsets_for_times(list, timeout)?;
    let offsets = bounds.keys().filter_map(|name| match found.find_partition(&name.0, name.1)?.offset() {
        Offset::Offset(offset) => Some((name.clone(), offset)),
        _ => None,
    });
    Ok(offsets.collect())
}
