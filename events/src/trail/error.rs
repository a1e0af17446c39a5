//! What can go wrong with the trail.

use std::time::Duration;

/// Why the trail cannot be written or read, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrailError {
    /// The database lacks a table.
    #[error("the tables of the trail are missing; create them with `millgate migrate`")]
    NoTable,
    /// The database does not answer, or refuses.
    #[error("the trail cannot be used: {0}; is PostgreSQL up, and postgres.url (MILLGATE_POSTGRES_URL) right?")]
    Database(#[source] sqlx::Error),
    /// The database says nothing.
    #[error("the trail did not answer within {0:?}; is PostgreSQL paused, overloaded, or cut off?")]
    Silent(Duration),
}

impl TrailError {
    /// Whether the database has looked at what it was given and cannot take it, now or later.
    pub(super) fn is_about_the_notes(&self) -> bool {
        let Self::Database(error) = self else { return false };
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        // Data that it cannot take, and data that breaks a constraint.
        code.is_some_and(|code| code.starts_with("22") || code.starts_with("23"))
    }
}

impl From<sqlx::Error> for TrailError {
    fn from(error: sqlx::Error) -> Self {
        // 42P01: undefined_table, 3F000: invalid_schema_name (PostgreSQL, appendix A).
        match error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref() {
            Some("42P01" | "3F000") => Self::NoTable,
            _ => Self::Database(error),
        }
    }
}
