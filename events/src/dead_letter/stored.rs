//! A dead letter as a row of the table.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::types::Json;
use uuid::Uuid;

use super::{
    letter::{Attempt, DeadLetter, Origin},
    status::{LetterKind, LetterStatus},
};
use crate::{EventMeta, Headers, Incoming, Record, TraceParent};

/// Longer names are cut: an index of PostgreSQL takes no more than 2,700 bytes, and a letter that can never be stored
/// would hold up its partition for ever.
const NAME: usize = 500;
const MESSAGE: usize = 2_000;

/// A letter with everything that is known of it. Names are cut at 500 characters, and have no NUL in them.
#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
pub struct StoredLetter {
    /// Follows from what died.
    pub id: Uuid,
    /// What died.
    #[sqlx(try_from = "String")]
    pub kind: LetterKind,
    /// What became of it since.
    #[sqlx(try_from = "String")]
    pub status: LetterStatus,
    /// The topic, as Kafka names it, of the record that died or that the job goes back to.
    pub topic: Option<String>,
    /// Its partition.
    #[sqlx(rename = "record_partition")]
    pub partition: Option<i32>,
    /// Its offset.
    #[sqlx(rename = "record_offset")]
    pub offset: Option<i64>,
    /// Of an event: Kafka's time of it, in milliseconds since 1970.
    pub record_time: Option<i64>,
    /// Of an event: the group that gave it up.
    pub consumer_group: Option<String>,
    /// The event's type; if it does not say so, its topic's name without the prefix.
    pub event_type: Option<String>,
    /// The event's id.
    pub event_id: Option<String>,
    /// The event's source.
    pub event_source: Option<String>,
    /// Shared by everything that one request set off.
    pub correlation_id: Option<String>,
    /// The saga that it is of.
    pub saga_id: Option<String>,
    /// Of the event's `traceparent`.
    pub trace_id: Option<String>,
    /// Of a job: its queue.
    pub queue: Option<String>,
    /// Of a job: its kind.
    pub job_kind: Option<String>,
    /// Of a job: its id.
    pub job_id: Option<String>,
    /// Of a job: its record without the payload.
    pub job_head: Option<String>,
    /// The record's key.
    #[serde(skip)]
    pub key: Option<Vec<u8>>,
    /// The record's value, or the job's arguments.
    #[serde(skip)]
    pub payload: Option<Vec<u8>>,
    /// What goes instead of the payload.
    #[serde(skip)]
    pub edited: Option<Vec<u8>>,
    /// The record's headers in order, as `[name, text]`, `[name, null]` or `[name, {"hex": "ff"}]`.
    pub headers: Json<Vec<(String, Value)>>,
    /// Why, in a word.
    pub code: String,
    /// Why, in a sentence.
    pub message: String,
    /// The same for all of the same cause.
    pub fingerprint: String,
    /// How often it was tried.
    pub attempts: i32,
    /// How these failed, oldest first; of many the last.
    pub failures: Json<Vec<Attempt>>,
    /// When it first failed.
    pub first_failed_at: DateTime<Utc>,
    /// When it was given up.
    pub failed_at: DateTime<Utc>,
    /// How often it had been redriven when it died.
    pub redrives: i32,
    /// Redrives that were begun and taken back.
    pub tries: i32,
    /// When a redrive was begun.
    pub redriving_since: Option<DateTime<Utc>>,
    /// When it was redriven or discarded.
    pub settled_at: Option<DateTime<Utc>>,
}

impl StoredLetter {
    pub(super) fn of(letter: &DeadLetter<'_>, topic_prefix: &str) -> Self {
        let count = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        let failures = letter.failures.iter().map(|failure| Attempt {
            code: name(&failure.code),
            message: cut(&failure.message, MESSAGE),
            ..failure.clone()
        });
        let stored = Self {
            id: letter.id(),
            kind: LetterKind::Event,
            status: LetterStatus::Dead,
            topic: None,
            partition: None,
            offset: None,
            record_time: None,
            consumer_group: None,
            event_type: None,
            event_id: None,
            event_source: None,
            correlation_id: None,
            saga_id: None,
            trace_id: None,
            queue: None,
            job_kind: None,
            job_id: None,
            job_head: None,
            key: None,
            payload: None,
            edited: None,
            headers: Json(Vec::new()),
            code: name(letter.code),
            message: cut(letter.message, MESSAGE),
            fingerprint: letter.fingerprint(),
            attempts: 1,
            failures: Json(failures.collect()),
            first_failed_at: letter.first_failed_at,
            failed_at: letter.failed_at,
            redrives: count(letter.redrives()),
            tries: 0,
            redriving_since: None,
            settled_at: None,
        };
        match &letter.origin {
            Origin::Event { record, group } => stored.about_event(record, group, topic_prefix),
            Origin::Job { id, kind, queue, head, payload, attempts, headers, .. } => Self {
                kind: LetterKind::Job,
                queue: Some(name(queue)),
                job_kind: Some(name(kind)),
                job_id: Some(name(id)),
                job_head: Some(head.replace('\0', "\u{fffd}")),
                payload: Some(payload.to_vec()),
                attempts: count(*attempts),
                ..stored.about_origin(headers)
            },
        }
    }

    fn about_event(self, record: &Record, group: &str, topic_prefix: &str) -> Self {
        let topic = record.topic.strip_prefix(topic_prefix).unwrap_or(&record.topic);
        let meta = Incoming::read(record, topic).ok().flatten().map(|incoming| incoming.meta);
        // What cannot be read as an event may still say in its headers which it is.
        let header = |names: &[&str]| names.iter().find_map(|name| record.headers.text(name));
        let part =
            |of: fn(&EventMeta) -> &str, names: &[&str]| meta.as_deref().map(of).or_else(|| header(names)).map(name);
        Self {
            topic: Some(name(&record.topic)),
            partition: Some(record.partition),
            offset: Some(record.offset),
            record_time: record.timestamp,
            consumer_group: Some(name(group)),
            event_type: part(|meta| &meta.event_type, &["ce_type", "event-type"]).or_else(|| Some(name(topic))),
            event_id: part(|meta| &meta.id, &["ce_id", "event-id"]),
            event_source: part(|meta| &meta.source, &["ce_source", "event-source"]),
            correlation_id: part(|meta| &meta.correlation_id, &["ce_correlationid", "correlation-id"]),
            saga_id: header(&["ce_sagaid", "saga-id"]).map(name),
            trace_id: record.headers.text("traceparent").and_then(trace_id),
            key: record.key.as_ref().map(|key| key.to_vec()),
            payload: record.value.as_ref().map(|value| value.to_vec()),
            headers: Json(record.headers.iter().map(|(name, value)| (clean(name), to_json(value))).collect()),
            ..self
        }
    }

    /// What leads from a job back to its event.
    fn about_origin(self, headers: &Headers) -> Self {
        let text = |header: &str| headers.text(header).map(name);
        let place: Vec<&str> = headers.text("x-dlq-event-record").unwrap_or_default().rsplitn(3, '/').collect();
        let (topic, partition, offset) = match place[..] {
            [offset, partition, topic] => (Some(name(topic)), partition.parse().ok(), offset.parse().ok()),
            _ => (None, None, None),
        };
        Self {
            topic,
            partition,
            offset,
            event_type: text("x-dlq-event-type"),
            event_id: text("x-dlq-event-id"),
            event_source: text("x-dlq-event-source"),
            correlation_id: text("ce_correlationid"),
            trace_id: headers.text("traceparent").and_then(trace_id),
            ..self
        }
    }

    /// What of it may have a topic of its own.
    pub(super) fn domain(&self) -> &str {
        match (&self.event_type, &self.queue) {
            (Some(event_type), _) => event_type.split('.').next().unwrap_or_default(),
            (None, queue) => queue.as_deref().unwrap_or_default(),
        }
    }

    /// What is to be used: what somebody made of the payload, or else the payload.
    pub fn current_payload(&self) -> Option<&[u8]> {
        self.edited.as_deref().or(self.payload.as_deref())
    }

    /// The record that died, with the current payload. `None` for a job.
    pub fn record(&self) -> Option<Record> {
        let mut headers = Headers::new();
        for (name, value) in &self.headers.0 {
            headers.push_raw(name.clone(), from_json(value));
        }
        Some(Record {
            topic: self.topic.as_deref().filter(|_| self.kind == LetterKind::Event)?.into(),
            partition: self.partition?,
            offset: self.offset?,
            timestamp: self.record_time,
            key: self.key.clone().map(Bytes::from),
            value: self.current_payload().map(Bytes::copy_from_slice),
            headers,
        })
    }
}

fn trace_id(traceparent: &str) -> Option<String> {
    TraceParent::parse(traceparent).map(|parent| parent.trace_id())
}

fn name(text: &str) -> String {
    cut(text, NAME)
}

fn cut(text: &str, most: usize) -> String {
    clean(&text.chars().take(most).collect::<String>())
}

/// PostgreSQL has no NUL in texts.
fn clean(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

fn to_json(value: Option<&Bytes>) -> Value {
    value.map_or(Value::Null, |bytes| readable(bytes))
}

/// Text as it is, and other bytes as `{"hex": "ff"}`.
pub fn readable(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => text.into(),
        _ => {
            let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
            let digit = |number: u8| char::from_digit(number.into(), 16).unwrap_or_default();
            json!({ "hex": digits.map(digit).collect::<String>() })
        }
    }
}

fn from_json(value: &Value) -> Option<Bytes> {
    if let Some(text) = value.as_str() {
        return Some(Bytes::copy_from_slice(text.as_bytes()));
    }
    let digits = value.get("hex")?.as_str()?;
    let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    (0..digits.len()).step_by(2).map(byte).collect::<Option<Vec<_>>>().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_as_they_were() {
        for bytes in
            [Some(Bytes::from_static(b"text")), Some(Bytes::from_static(b"\xff\x00")), Some(Bytes::new()), None]
        {
            assert_eq!(from_json(&to_json(bytes.as_ref())), bytes);
        }
        assert_eq!(from_json(&to_json(Some(&Bytes::from_static(b"a\0b")))), Some(Bytes::from_static(b"a\0b")));
    }

    #[test]
    fn a_record_comes_back_as_it_was_and_its_names_fit() {
        let long = "n".repeat(10_000);
        let record = Record {
            topic: "test.order.created".into(),
            partition: 1,
            offset: 7,
            timestamp: Some(5),
            key: None,
            value: Some(Bytes::from_static(b"\xff")),
            headers: [("ce_type", long.as_str()), ("a\0b", "1"), ("a", "2")].into_iter().collect(),
        };
        let letter = DeadLetter::of_event(&record, "group", "not_json", "a\0b", DateTime::UNIX_EPOCH);
        let stored = StoredLetter::of(&letter, "test.");
        assert_eq!((stored.event_type.as_ref().unwrap().len(), stored.message.as_str()), (NAME, "a\u{fffd}b"));
        let again = stored.record().unwrap();
        assert_eq!(
            (again.partition, again.offset, again.timestamp, again.value),
            (1, 7, Some(5), record.value.clone())
        );
        assert_eq!(again.headers.text("ce_type"), Some(long.as_str()));
        let plain = Record { headers: Headers::new(), ..record };
        let letter = DeadLetter::of_event(&plain, "group", "not_json", "m", DateTime::UNIX_EPOCH);
        let stored = StoredLetter::of(&letter, "test.");
        assert_eq!((stored.event_type.as_deref(), stored.domain()), (Some("order.created"), "order"));
    }
}
