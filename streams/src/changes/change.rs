//! A change of a row.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::RowKey;

/// What was done to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// It was inserted.
    Create,
    /// It was updated. One whose key was changed is deleted and created instead.
    Update,
    /// It was deleted.
    Delete,
    /// It was there when Debezium took a snapshot.
    Read,
    /// The table was emptied.
    Truncate,
}

/// Where a change comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// Debezium's word for the kind of database: `postgresql`.
    pub connector: String,
    /// The database.
    pub db: String,
    /// The schema.
    pub schema: String,
    /// The table.
    pub table: String,
    /// Where in the log it is. For one row, of two changes the later one has the higher number. `None` for sources without.
    pub lsn: Option<i64>,
    /// The transaction.
    pub tx_id: Option<i64>,
    /// When it committed; of a snapshot: when the row was read. Of sources that do not tell, when the record was made.
    pub committed_at: Option<DateTime<Utc>>,
}

/// A change of a row, whose columns are the fields of `T`.
#[derive(Debug, Clone, PartialEq)]
pub struct Change<T> {
    /// What was done.
    pub op: Op,
    /// The row's key. `None` of a table without one, and of a truncate as a whole.
    pub key: Option<RowKey>,
    /// The row as it was. Only if that is known: of a table with `REPLICA IDENTITY FULL`
    /// ([`Changes::replica_identity_full`](super::Changes::replica_identity_full)), or of a stream that
    /// [remembers rows](super::Changes::remember_rows).
    pub before: Option<T>,
    /// The row as it is; `None` once it is gone.
    pub after: Option<T>,
    /// Columns of `after` that are as they were, and which nobody could tell: long values that PostgreSQL did not send again. An
    /// optional field of theirs is `None`.
    pub unchanged: Vec<String>,
    /// Where it comes from.
    pub source: Source,
    /// The topic, as Kafka names it.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The record's offset.
    pub offset: i64,
}

impl<T> Change<T> {
    /// The row as it was and as it is, as far as they are known.
    pub fn rows(&self) -> impl Iterator<Item = &T> {
        self.before.iter().chain(&self.after)
    }

    /// What it is called: the same if Debezium sends it again.
    pub fn id(&self) -> String {
        let Self { topic, partition, offset, .. } = self;
        match self.source.lsn {
            // All rows of a snapshot have one place in the log, and a key's old and new row too.
            Some(lsn) => {
                format!("{topic}/{lsn}/{:?}/{}", self.op, self.key.as_ref().map(RowKey::json).unwrap_or_default())
            }
            None => format!("{topic}/{partition}/{offset}"),
        }
    }
}
