//! What can go wrong with dead letters.

use crate::KafkaError;

/// Why a dead letter could not be written, read or acted on, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeadLetterError {
    /// The topic.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The database lacks the table.
    #[error("the table of dead letters is missing; create it with `millgate migrate`")]
    NoTable,
    /// The database does not answer, or refuses.
    #[error(
        "the table of dead letters cannot be used: {0}; is PostgreSQL up, and postgres.url (MILLGATE_POSTGRES_URL) right?"
    )]
    Database(#[source] sqlx::Error),
    /// The database says nothing.
    #[error("the table of dead letters did not answer within {0:?}; is PostgreSQL paused, overloaded, or cut off?")]
    Silent(std::time::Duration),
    /// The tables cannot be created or changed.
    #[error("a table of millgate's own cannot be created, and nothing of it was kept: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
}

impl From<sqlx::Error> for DeadLetterError {
    fn from(error: sqlx::Error) -> Self {
        // 42P01: undefined_table, 3F000: invalid_schema_name (PostgreSQL, appendix A).
        match error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref() {
            Some("42P01" | "3F000") => Self::NoTable,
            _ => Self::Database(error),
        }
    }
}
