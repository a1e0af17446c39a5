//! Records as they come from, and go to, Kafka.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rdkafka::{
    Message,
    message::{BorrowedMessage, Headers as _},
};

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
        // All its parts lie in one piece of memory: a piece each would cost more than all else that is done here.
        let (key, value) = (message.key().unwrap_or_default(), message.payload().unwrap_or_default());
        // Each look at a header goes through the client: once is enough.
        let headers: Vec<_> = message.headers().into_iter().flat_map(|headers| headers.iter()).collect();
        let of_headers: usize = headers.iter().filter_map(|header| header.value).map(<[u8]>::len).sum();
        let mut parts = BytesMut::with_capacity(key.len() + value.len() + of_headers);
        let mut keep = |part: &[u8]| {
            parts.extend_from_slice(part);
            parts.split().freeze()
        };
        Self {
            topic,
            partition: message.partition(),
            offset: message.offset(),
            timestamp: message.timestamp().to_millis().filter(|&time| time >= 0),
            key: message.key().map(&mut keep),
            value: message.payload().map(&mut keep),
            headers: Headers::keep(headers.into_iter().map(|header| (header.key, header.value)), keep),
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
