//! Which records a replay is about.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{EventMeta, Record};

/// Which records: those of which all that is said holds. Of what is a list, one has to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selection {
    /// Of these topics, without the prefix.
    pub topics: Vec<String>,
    /// That Kafka has from this time or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<DateTime<Utc>>,
    /// And from before this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// Only of these partitions, between these offsets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub offsets: Vec<OffsetRange>,
    /// Events of one request, session or order: with this correlation id, or that id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
    /// Records of these keys.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// Events of these types.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
}

/// A stretch of a partition: `orders:0:1000-2000`, from the first offset on, and to before the second one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OffsetRange {
    /// The topic, without the prefix.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The first offset.
    pub from: i64,
    /// The one behind the last; nothing: all there are.
    pub until: Option<i64>,
}

impl FromStr for OffsetRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (rest, range) = text.rsplit_once(':')?;
            let (topic, partition) = rest.rsplit_once(':')?;
            let (from, until) = range.split_once('-')?;
            let number = |text: &str| text.trim().parse::<i64>().ok().filter(|offset| *offset >= 0);
            let until = if until.trim().is_empty() { None } else { Some(number(until)?) };
            let partition = partition.trim().parse().ok().filter(|partition| *partition >= 0)?;
            let range = Self { topic: topic.trim().to_owned(), partition, from: number(from)?, until };
            let is_one = !range.topic.is_empty() && until.is_none_or(|until| range.from < until);
            is_one.then_some(range)
        };
        read().ok_or_else(|| {
            format!(
                "`{text}` is no topic:partition:from-until such as orders:0:1000-2000, or orders:0:1000- to the end"
            )
        })
    }
}

impl TryFrom<String> for OffsetRange {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<OffsetRange> for String {
    fn from(range: OffsetRange) -> Self {
        range.to_string()
    }
}

impl fmt::Display for OffsetRange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, partition, from, until } = self;
        write!(out, "{topic}:{partition}:{from}-")?;
        until.map_or(Ok(()), |until| write!(out, "{until}"))
    }
}

impl Selection {
    /// Whether a record of the topic that is named `topic` (without the prefix) may be meant, as far as that can be said
    /// without reading it.
    pub(super) fn may_want(&self, record: &Record, topic: &str) -> bool {
        let time = record.timestamp.and_then(DateTime::from_timestamp_millis);
        let is_in = |range: &OffsetRange| {
            range.topic == topic
                && range.partition == record.partition
                && range.from <= record.offset
                && range.until.is_none_or(|until| record.offset < until)
        };
        (self.offsets.is_empty() || self.offsets.iter().any(is_in))
            && self.from.is_none_or(|from| time.is_some_and(|time| time >= from))
            && self.until.is_none_or(|until| time.is_none_or(|time| time < until))
            && (self.keys.is_empty() || self.keys.iter().any(|key| record.key.as_deref() == Some(key.as_bytes())))
    }

    /// Whether an event is meant, by its attributes.
    pub(super) fn wants(&self, meta: &EventMeta) -> bool {
        let correlation = self.correlation.as_ref();
        correlation.is_none_or(|wanted| *wanted == meta.correlation_id || *wanted == meta.id)
            && (self.types.is_empty() || self.types.contains(&meta.event_type))
    }

    /// Whether nothing is left out.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Whether attributes matter, which a record without a value has none of.
    pub(super) fn is_about_events(&self) -> bool {
        self.correlation.is_some() || !self.types.is_empty()
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_everything() {
            write!(out, "all events of the event store")?;
        } else if self.offsets.is_empty() {
            write!(out, "records of {}", self.topics.join(", "))?;
        } else {
            let ranges: Vec<String> = self.offsets.iter().map(ToString::to_string).collect();
            write!(out, "records {}", ranges.join(", "))?;
        }
        if let Some(from) = self.from {
            write!(out, " since {}", from.format("%Y-%m-%d %H:%M:%S UTC"))?;
        }
        if let Some(until) = self.until {
            write!(out, " before {}", until.format("%Y-%m-%d %H:%M:%S UTC"))?;
        }
        if let Some(correlation) = &self.correlation {
            write!(out, " of correlation {correlation}")?;
        }
        for (what, names) in [("key", &self.keys), ("type", &self.types)] {
            if !names.is_empty() {
                write!(out, " of {what} {}", names.join(" or "))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_a_topic_a_partition_and_two_offsets() {
        let range: OffsetRange = "orders:2:1000-2000".parse().unwrap();
        assert_eq!((range.topic.as_str(), range.partition, range.from, range.until), ("orders", 2, 1000, Some(2000)));
        let open: OffsetRange = "order.created:0:7-".parse().unwrap();
        assert_eq!((open.until, open.to_string().as_str()), (None, "order.created:0:7-"));
        for wrong in ["", "orders", "orders:0", "orders:0:7", "orders:x:1-2", "orders:0:5-5", "orders:0:-1-5", ":0:1-2"]
        {
            assert!(wrong.parse::<OffsetRange>().unwrap_err().contains("topic:partition:from-until"), "{wrong}");
        }
    }

    #[test]
    fn what_is_noted_is_read_again() {
        let selection = Selection {
            topics: vec!["orders".into()],
            offsets: vec!["orders:0:1-2".parse().unwrap()],
            correlation: Some("c".into()),
            ..Selection::default()
        };
        let text = serde_json::to_string(&selection).unwrap();
        assert_eq!(serde_json::from_str::<Selection>(&text).unwrap(), selection);
    }
}
