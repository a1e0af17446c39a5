//! An entry of the audit log.

use chrono::{DateTime, Utc};
use serde::Serialize;

/// What was recorded of a record. Texts that are searched for have no NUL in them, and at most 500 characters.
#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow)]
pub struct AuditLog {
    /// The chain that it is in, which is one of a partition of a topic.
    pub chain: i32,
    /// Its place in the chain: one more than that of the entry before it.
    pub number: i64,
    /// When it was recorded, by the database's clock.
    pub recorded_at: DateTime<Utc>,
    /// The record's topic, as Kafka names it.
    pub topic: String,
    /// The record's partition.
    #[sqlx(rename = "record_partition")]
    pub partition: i32,
    /// The record's offset.
    #[sqlx(rename = "record_offset")]
    pub offset: i64,
    /// Kafka's time of the record.
    pub record_time: Option<DateTime<Utc>>,
    /// The event's id; where it has none, one that follows from the record's place.
    pub event_id: String,
    /// The event's type; where it has none, its topic without the prefix.
    pub event_type: String,
    /// The version of its payload's shape.
    pub event_version: Option<i64>,
    /// The service that it happened in.
    pub event_source: Option<String>,
    /// When it happened, as the event says; else Kafka's time.
    pub occurred_at: DateTime<Utc>,
    /// Who did it.
    pub user_id: Option<String>,
    /// What it was done to.
    pub resource: Option<String>,
    /// What was done: `created`.
    pub action: String,
    /// Whether something went wrong.
    pub is_error: bool,
    /// What went wrong.
    pub error: Option<String>,
    /// Shared by everything that one request set off.
    pub correlation_id: Option<String>,
    /// The event or job that caused it.
    pub causation_id: Option<String>,
    /// The trace that it belongs to.
    pub trace_id: Option<String>,
    /// The event's payload: JSON, without what nobody is shown.
    #[serde(skip)]
    pub payload: Option<String>,
    /// A value that is no JSON, or none that PostgreSQL can work with.
    #[serde(skip)]
    pub raw: Option<Vec<u8>>,
    /// Where in the claim store the value is: the day, and its SHA-256.
    pub claim: Option<String>,
    /// SHA-256 of the hash before it and of all of the above.
    #[serde(serialize_with = "hex")]
    pub hash: Vec<u8>,
}

impl AuditLog {
    /// The bytes of its payload, whatever they are; `None` if there are none here.
    pub fn value(&self) -> Option<&[u8]> {
        self.payload.as_deref().map(str::as_bytes).or(self.raw.as_deref())
    }
}

/// The columns, for a `SELECT` that reads entries.
pub(super) const COLUMNS: &str = "chain, number, recorded_at, topic, record_partition, record_offset, record_time, event_id, \
    event_type, event_version, event_source, occurred_at, user_id, resource, action, is_error, error, correlation_id, \
    causation_id, trace_id, payload::text AS payload, raw, claim, hash";

pub(super) fn hex<S: serde::Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&to_hex(bytes))
}

/// Two lower-case digits a byte.
pub(super) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(u32::from(digit), 16));
        }
        text
    })
}
