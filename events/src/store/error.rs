//! What can go wrong with the event store.

use uuid::Uuid;

use super::Expected;
use crate::{DecodeError, KafkaError};

/// Why events are not appended or not read, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Somebody else has appended to the stream. Nothing was appended; load it again, and decide anew.
    #[error("stream {stream} was expected to have {expected}, and has version {actual}; load it again and decide anew")]
    Conflict {
        /// The stream's name.
        stream: String,
        /// What was expected of it.
        expected: Expected,
        /// The version that it has; 0 if there is no such stream.
        actual: i64,
    },
    /// A name that no stream can have.
    #[error("`{0}` is no name of a stream; it looks like account-17: a category without dashes, and an id")]
    BadStream(String),
    /// An event that cannot be written as JSON.
    #[error(transparent)]
    Encode(#[from] KafkaError),
    /// A stored event that this program cannot read.
    #[error("event {id} (version {version} of stream {stream}) cannot be read: {source}")]
    Decode {
        /// The event's id.
        id: Uuid,
        /// Its stream.
        stream: String,
        /// Its place there.
        version: i64,
        /// Why.
        source: DecodeError,
    },
    /// A state that cannot be kept as a snapshot.
    #[error("the state of {stream} cannot be written as JSON: {source}")]
    Snapshot {
        /// The aggregate's stream.
        stream: String,
        /// What serde said.
        source: serde_json::Error,
    },
    /// A projection that cannot be built as it is.
    #[error("projection {name}: {reason}")]
    Projection {
        /// Its name.
        name: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A projection's own error.
    #[error("projection {name} fails at event {id} (position {position}): {reason}")]
    Apply {
        /// Its name.
        name: &'static str,
        /// The event's id.
        id: Uuid,
        /// The event's position.
        position: i64,
        /// What it said.
        reason: String,
    },
    /// A projection was not as far as it was waited for.
    #[error("projection {name} is at position {at}, and not at {position} yet: {problem}")]
    Behind {
        /// Its name.
        name: String,
        /// What was waited for.
        position: i64,
        /// Where it is.
        at: i64,
        /// Why, as far as that is known.
        problem: String,
    },
    /// The database lacks a table or a function.
    #[error(
        "the tables of the event store are missing, or this is no real PostgreSQL; create them with `millgate migrate` ({0})"
    )]
    NoTable(#[source] sqlx::Error),
    /// The database does not answer, or refuses. If that was an append, whether it was taken in is not known.
    #[error("the event store cannot be used: {0}; is PostgreSQL up, and postgres.url (MILLGATE_POSTGRES_URL) right?")]
    Database(#[source] sqlx::Error),
    /// The runtime that appended is gone.
    #[error("the event store is shutting down; whether the events were appended is not known")]
    Closed,
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        // undefined_table, undefined_function, invalid_schema_name (PostgreSQL, appendix A).
        match error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref() {
            Some("42P01" | "42883" | "3F000") => Self::NoTable(error),
            _ => Self::Database(error),
        }
    }
}
