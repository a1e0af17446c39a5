//! Entries into the table, by `COPY` in its binary format: the least work for PostgreSQL.
//! <https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.4>

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::AuditLog;

const COPY: &str = "COPY audit_logs (chain, number, recorded_at, topic, record_partition, record_offset, record_time, event_id, \
    event_type, event_version, event_source, occurred_at, user_id, resource, action, is_error, error, correlation_id, \
    causation_id, trace_id, payload, raw, claim, hash) FROM STDIN WITH (FORMAT binary)";
/// The signature, no flags, no extension.
const BEGIN: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const END: [u8; 2] = (-1_i16).to_be_bytes();
const FIELDS: i16 = 24;
/// 2000-01-01, in microseconds since 1970: PostgreSQL counts from there.
const Y2K: i64 = 946_684_800_000_000;

/// Writes entries into the table.
pub(super) async fn write(entries: &[AuditLog], database: &mut PgConnection) -> Result<(), sqlx::Error> {
    let size: usize = entries.iter().map(|entry| 700 + entry.value().map_or(0, <[u8]>::len)).sum();
    let mut rows = Rows(Vec::with_capacity(size));
    rows.0.extend_from_slice(BEGIN);
    entries.iter().for_each(|entry| rows.push(entry));
    rows.0.extend_from_slice(&END);
    let mut copy = database.copy_in_raw(COPY).await?;
    if let Err(error) = copy.send(rows.0).await {
        // Says the same, and has the connection in order again.
        copy.abort("the rows could not be sent").await?;
        return Err(error);
    }
    copy.finish().await?;
    Ok(())
}

struct Rows(Vec<u8>);

impl Rows {
    fn push(&mut self, entry: &AuditLog) {
        self.0.extend_from_slice(&FIELDS.to_be_bytes());
        self.field(&entry.chain.to_be_bytes());
        self.field(&entry.number.to_be_bytes());
        self.time(Some(entry.recorded_at));
        self.field(entry.topic.as_bytes());
        self.field(&entry.partition.to_be_bytes());
        self.field(&entry.offset.to_be_bytes());
        self.time(entry.record_time);
        self.field(entry.event_id.as_bytes());
        self.field(entry.event_type.as_bytes());
        self.maybe(entry.event_version.map(i64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice));
        self.text(&entry.event_source);
        self.time(Some(entry.occurred_at));
        self.text(&entry.user_id);
        self.text(&entry.resource);
        self.field(entry.action.as_bytes());
        self.field(&[u8::from(entry.is_error)]);
        for text in [&entry.error, &entry.correlation_id, &entry.causation_id, &entry.trace_id, &entry.payload] {
            self.text(text);
        }
        self.maybe(entry.raw.as_deref());
        self.text(&entry.claim);
        self.field(&entry.hash);
    }

    /// A length and the bytes. None is as long as four bytes cannot say: Kafka's own lengths have four.
    fn field(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(&i32::try_from(bytes.len()).unwrap_or(i32::MAX).to_be_bytes());
        self.0.extend_from_slice(bytes);
    }

    fn maybe(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.field(bytes),
            None => self.0.extend_from_slice(&(-1_i32).to_be_bytes()),
        }
    }

    fn text(&mut self, text: &Option<String>) {
        self.maybe(text.as_deref().map(str::as_bytes));
    }

    fn time(&mut self, time: Option<DateTime<Utc>>) {
        self.maybe(time.map(|time| (time.timestamp_micros() - Y2K).to_be_bytes()).as_ref().map(<[u8; 8]>::as_slice));
    }
}
