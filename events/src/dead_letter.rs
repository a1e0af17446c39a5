//! The dead-letter topic: what could not be used, with its whole story.
//!
//! Headers are those that Kafka's own brokers write for share groups (KIP-1191), `__dlq.errors.*`, and ours
//! under `x-dlq-`. All are UTF-8 text. The original's headers are kept, duplicates and nulls too, up to
//! [`HEADER_LIMIT`]; the record's own time is now (a copy with the original's time could be deleted by
//! retention at once), and the original's is in a header.

use bytes::Bytes;

use crate::{Claims, Headers, KafkaError, OutRecord, Producer, Published, Record};

/// Names that a dead letter adds, and that a redrive takes off again.
pub const DEAD_LETTER_HEADERS: [&str; 2] = ["__dlq.errors.", "x-dlq-"];

/// Bytes of the original's headers that are kept.
const HEADER_LIMIT: usize = 8 * 1024;

/// What it was that could not be used.
#[derive(Debug)]
pub enum Origin<'a> {
    /// A record that cannot become jobs.
    Event {
        /// The record.
        record: &'a Record,
        /// The consumer group that gave it up.
        group: &'a str,
    },
    /// A job that cannot be done.
    Job {
        /// Its id.
        id: &'a str,
        /// Its kind.
        kind: &'a str,
        /// Its queue.
        queue: &'a str,
        /// Its payload, as enqueued.
        payload: Bytes,
        /// How often it ran.
        attempts: u32,
        /// Headers that lead back to its event.
        headers: Headers,
    },
}

/// One entry for the dead-letter topic.
#[derive(Debug)]
pub struct DeadLetter<'a> {
    /// What.
    pub origin: Origin<'a>,
    /// Why, in a word: `not_json`, `out_of_stock`.
    pub code: &'a str,
    /// Why, in a sentence.
    pub message: &'a str,
    /// When it was first found unusable, in RFC 3339.
    pub first_failed_at: &'a str,
    /// When it was given up, in RFC 3339.
    pub failed_at: &'a str,
}

/// Writes to the dead-letter topic.
#[derive(Clone)]
pub struct DeadLetters {
    producer: Producer,
    topic: String,
}

impl DeadLetters {
    /// A writer to `topic` (without the prefix).
    pub fn new(producer: Producer, topic: &str) -> Self {
        // A letter has the bytes that could not be used, and not the promise of them.
        Self { producer: producer.with_claims(Claims::default()), topic: topic.to_owned() }
    }

    /// Writes one and waits for the acks. Whatever it is about may be let go after `Ok`, and not before.
    ///
    /// A record that with our headers is too large for the topic leaves its value where it is, on its own topic: held
    /// back, it would hold up its partition for ever.
    pub async fn write(&self, letter: &DeadLetter<'_>) -> Result<Published, KafkaError> {
        let mut record = letter.to_record(&self.topic);
        match (self.producer.publish_record(record.clone()).await, &letter.origin) {
            (Err(KafkaError::TooLarge { bytes, .. }), Origin::Event { .. }) => {
                record.value = None;
                // A key this long would be the next thing in the way.
                record.key = record.key.filter(|key| key.len() <= HEADER_LIMIT);
                record.headers.push("x-dlq-value-left-behind", bytes.to_string());
                self.producer.publish_record(record).await
            }
            (result, _) => result,
        }
    }
}

impl DeadLetter<'_> {
    fn to_record(&self, topic: &str) -> OutRecord {
        let (key, value, mut headers) = match &self.origin {
            Origin::Event { record, group } => {
                let mut headers = original_headers(&record.headers);
                headers.push("x-dlq-kind", "event");
                headers.push("__dlq.errors.topic", record.topic.to_string());
                headers.push("__dlq.errors.partition", record.partition.to_string());
                headers.push("__dlq.errors.offset", record.offset.to_string());
                headers.push("__dlq.errors.group", (*group).to_owned());
                headers.push("__dlq.errors.delivery.count", "1");
                if let Some(time) = record.timestamp {
                    headers.push("x-dlq-original-timestamp", time.to_string());
                }
                (record.key.clone(), record.value.clone(), headers)
            }
            Origin::Job { id, kind, queue, payload, attempts, headers } => {
                let mut headers = headers.clone();
                headers.push("x-dlq-kind", "job");
                headers.push("x-dlq-job-id", (*id).to_owned());
                headers.push("x-dlq-job-kind", (*kind).to_owned());
                headers.push("x-dlq-job-queue", (*queue).to_owned());
                headers.push("__dlq.errors.delivery.count", attempts.to_string());
                (Some(Bytes::copy_from_slice(id.as_bytes())), Some(payload.clone()), headers)
            }
        };
        headers.push("__dlq.errors.message", self.message.to_owned());
        headers.push("x-dlq-code", self.code.to_owned());
        headers.push("x-dlq-first-failed-at", self.first_failed_at.to_owned());
        headers.push("x-dlq-failed-at", self.failed_at.to_owned());
        OutRecord { topic: topic.to_owned(), key, value, headers }
    }
}

/// The original's headers without those of an earlier death, up to the limit.
fn original_headers(original: &Headers) -> Headers {
    let mut kept = Headers::new();
    let mut bytes = 0;
    let ours = |name: &str| DEAD_LETTER_HEADERS.iter().any(|prefix| name.starts_with(prefix));
    for (name, value) in original.iter().filter(|(name, _)| !ours(name)) {
        bytes += name.len() + value.map_or(0, Bytes::len);
        if bytes > HEADER_LIMIT {
            kept.push("x-dlq-headers-cut", "true");
            break;
        }
        kept.push_raw(name, value.cloned());
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(headers: Headers) -> Record {
        Record {
            topic: "t".into(),
            partition: 1,
            offset: 7,
            timestamp: Some(5),
            key: Some(Bytes::from_static(b"k")),
            value: Some(Bytes::from_static(b"\xff{")),
            headers,
        }
    }

    fn letter(record: &Record) -> OutRecord {
        DeadLetter {
            origin: Origin::Event { record, group: "g" },
            code: "not_json",
            message: "broken",
            first_failed_at: "2026-01-01T00:00:00Z",
            failed_at: "2026-01-01T00:00:00Z",
        }
        .to_record("dlq")
    }

    #[test]
    fn bytes_and_headers_are_kept_and_the_place_is_told() {
        let mut headers: Headers = [("a", "1"), ("a", "2"), ("x-dlq-code", "earlier")].into_iter().collect();
        headers.push_raw("null", None);
        let out = letter(&record(headers));
        assert_eq!(out.value.as_deref(), Some(b"\xff{".as_slice()));
        let names: Vec<_> = out.headers.iter().map(|(name, _)| name).collect();
        assert_eq!(names[..3], ["a", "a", "null"]);
        for (name, value) in [
            ("__dlq.errors.topic", "t"),
            ("__dlq.errors.partition", "1"),
            ("__dlq.errors.offset", "7"),
            ("__dlq.errors.group", "g"),
            ("__dlq.errors.message", "broken"),
            ("x-dlq-code", "not_json"),
            ("x-dlq-original-timestamp", "5"),
        ] {
            assert_eq!(out.headers.text(name), Some(value), "{name}");
        }
        assert_eq!(names.iter().filter(|name| **name == "x-dlq-code").count(), 1);
    }

    #[test]
    fn headers_are_capped() {
        let mut headers = Headers::new();
        headers.push("small", "1");
        headers.push("huge", vec![b'x'; HEADER_LIMIT]);
        let out = letter(&record(headers));
        assert_eq!(out.headers.text("small"), Some("1"));
        assert_eq!(out.headers.text("huge"), None);
        assert_eq!(out.headers.text("x-dlq-headers-cut"), Some("true"));
    }
}
