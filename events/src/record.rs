//! Records as they come from, and go to, Kafka.

use std::sync::Arc;

use bytes::Bytes;
use rdkafka::{Message, message::BorrowedMessage};

use crate::Headers;

/// A record taken from a topic.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its topic, as Kafka names it (with the prefix).
    pub topic: Arc<str>,
    /// Its partition.
    pub partition: i32,
    /// Its offset in that partition.
    pub offset: i64,
    /// When it was made or appended, in milliseconds since 1970; `None` if Kafka does not know.
    pub timestamp: Option<i64>,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Its headers.
    pub headers: Headers,
}

impl Record {
    pub(crate) fn of(message: &BorrowedMessage<'_>, topic: Arc<str>) -> Self {
        Self {
            topic,
            partition: message.partition(),
            offset: message.offset(),
            timestamp: message.timestamp().to_millis().filter(|&time| time >= 0),
            key: message.key().map(Bytes::copy_from_slice),
            value: message.payload().map(Bytes::copy_from_slice),
            headers: message.headers().map(Headers::from_kafka).unwrap_or_default(),
        }
    }

    /// Bytes that it holds in memory, about.
    pub fn size(&self) -> usize {
        let bytes = |part: &Option<Bytes>| part.as_ref().map_or(0, Bytes::len);
        128 + bytes(&self.key) + bytes(&self.value) + self.headers.size()
    }
}

/// A record to be put on a topic.
#[derive(Debug, Clone, Default)]
pub struct OutRecord {
    /// Its topic, without the prefix.
    pub topic: String,
    /// Its key, which chooses the partition.
    pub key: Option<Bytes>,
    /// Its value.
    pub value: Option<Bytes>,
    /// Its headers.
    pub headers: Headers,
}
