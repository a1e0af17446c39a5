//! What ties entries to each other. `docs/audit.md` has the format, and how to compute it in SQL.

use std::fmt::{Display, Write};

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::AuditLog;

/// The hash before the first entry of a chain.
pub(super) const BEGIN: [u8; 32] = [0; 32];

/// SHA-256 of the hash before an entry and of its columns in order: each as its length in bytes, a colon, and its bytes; one that
/// is null as `-`.
pub(super) fn hash(before: &[u8], entry: &AuditLog) -> [u8; 32] {
    let mut fields = Fields { hasher: Sha256::new(), text: String::with_capacity(24) };
    fields.hasher.update(before);
    fields.shown(entry.number);
    fields.time(Some(entry.recorded_at));
    fields.bytes(Some(entry.topic.as_bytes()));
    fields.shown(entry.partition);
    fields.shown(entry.offset);
    fields.time(entry.record_time);
    fields.bytes(Some(entry.event_id.as_bytes()));
    fields.bytes(Some(entry.event_type.as_bytes()));
    match entry.event_version {
        Some(version) => fields.shown(version),
        None => fields.bytes(None),
    }
    fields.text(entry.event_source.as_ref());
    fields.time(Some(entry.occurred_at));
    fields.text(entry.user_id.as_ref());
    fields.text(entry.resource.as_ref());
    fields.bytes(Some(entry.action.as_bytes()));
    fields.shown(entry.is_error);
    for text in [&entry.error, &entry.correlation_id, &entry.causation_id, &entry.trace_id, &entry.payload] {
        fields.text(text.as_ref());
    }
    fields.bytes(entry.raw.as_deref());
    fields.text(entry.claim.as_ref());
    fields.hasher.finalize().into()
}

struct Fields {
    hasher: Sha256,
    /// For numbers as text, one after the other.
    text: String,
}

impl Fields {
    fn bytes(&mut self, field: Option<&[u8]>) {
        let Some(field) = field else { return self.hasher.update(b"-") };
        self.write(field.len());
        self.hasher.update(self.text.as_bytes());
        self.hasher.update(b":");
        self.hasher.update(field);
    }

    fn text(&mut self, field: Option<&String>) {
        self.bytes(field.map(String::as_bytes));
    }

    fn shown(&mut self, field: impl Display) {
        self.write(field);
        let field = std::mem::take(&mut self.text);
        self.bytes(Some(field.as_bytes()));
    }

    /// Microseconds since 1970, which is how exactly PostgreSQL keeps it.
    fn time(&mut self, field: Option<DateTime<Utc>>) {
        match field {
            Some(time) => self.shown(time.timestamp_micros()),
            None => self.bytes(None),
        }
    }

    fn write(&mut self, value: impl Display) {
        self.text.clear();
        // Into a text: cannot fail.
        let _ = write!(self.text, "{value}");
    }
}
