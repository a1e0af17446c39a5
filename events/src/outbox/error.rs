//! What can go wrong with the outbox.

use std::time::Duration;

use crate::KafkaError;

/// Why the outbox cannot be used, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboxError {
    /// An event that cannot be written as JSON.
    #[error(transparent)]
    Event(#[from] KafkaError),
    /// The database lacks a table.
    #[error("the tables of the outbox are missing; create them with `millgate migrate`")]
    NoTable(#[source] sqlx::Error),
    /// The database does not answer, or refuses.
    #[error("the outbox cannot be used: {0}; is PostgreSQL up, and postgres.url (MILLGATE_POSTGRES_URL) right?")]
    Database(#[source] sqlx::Error),
    /// The database says nothing.
    #[error("the outbox did not answer within {0:?}; is PostgreSQL paused, overloaded, or cut off?")]
    Silent(Duration),
}

impl From<sqlx::Error> for OutboxError {
    fn from(error: sqlx::Error) -> Self {
        // 42P01: undefined_table, 3F000: invalid_schema_name (PostgreSQL, appendix A).
        match error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref() {
            Some("42P01" | "3F000") => Self::NoTable(error),
            _ => Self::Database(error),
        }
    }
}
