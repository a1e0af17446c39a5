//! What can go wrong with sagas.

use millgate_events::OutboxError;

use super::Refused;

/// Why something about a saga was not done, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SagaError {
    /// No definition of that name.
    #[error("there is no saga `{name}`; there are: {known}")]
    Unknown {
        /// The name.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// The state is not of the type that the definition has.
    #[error("saga `{name}` has a state of type {wanted}, and not {given}")]
    State {
        /// The saga's name.
        name: &'static str,
        /// The type that it has.
        wanted: &'static str,
        /// The one that was given.
        given: &'static str,
    },
    /// The state cannot be written as JSON.
    #[error("the state of saga `{name}` cannot be written as JSON: {source}")]
    Encode {
        /// The saga's name.
        name: &'static str,
        /// What serde said.
        source: serde_json::Error,
    },
    /// It is no place in a list of sagas.
    #[error("`{0}` is no place in the list of sagas; each page says where to go on")]
    Place(String),
    /// There is no such saga.
    #[error("there is no saga {0}; `millgate saga list` shows those that there are")]
    Gone(String),
    /// It began with a definition that this program does not have.
    #[error(
        "saga {id} began with version {version} of `{saga}`, which this program does not have; it waits for one that does. \
         Start an orchestrator with that version, or keep the old definition beside the new one"
    )]
    Version {
        /// Its id.
        id: String,
        /// Its name.
        saga: String,
        /// The version.
        version: u32,
    },
    /// It cannot be done to the saga as it is.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The outbox cannot be used.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// What is in the table cannot be read.
    #[error("the row of saga {id} cannot be read: {reason}")]
    Broken {
        /// Its id.
        id: String,
        /// Why.
        reason: String,
    },
    /// The database lacks a table.
    #[error("the tables of sagas are missing; create them with `millgate migrate`")]
    NoTable(#[source] sqlx::Error),
    /// The database does not answer, or refuses.
    #[error("the sagas cannot be used: {0}; is PostgreSQL up, and postgres.url (MILLGATE_POSTGRES_URL) right?")]
    Database(#[source] sqlx::Error),
}

impl SagaError {
    /// Whether every other saga would meet the same now: the database is away, full or read-only, or lacks a table.
    pub(super) fn is_of_all(&self) -> bool {
        match self {
            Self::NoTable(_) | Self::Outbox(OutboxError::NoTable(_) | OutboxError::Silent(_)) => true,
            Self::Database(error) | Self::Outbox(OutboxError::Database(error)) => is_away(error),
            _ => false,
        }
    }
}

fn is_away(error: &sqlx::Error) -> bool {
    match error {
        // Connection, resources, intervention, system; read_only_sql_transaction, on a standby. But query_canceled is a
        // statement of one saga that took too long (PostgreSQL, appendix A).
        sqlx::Error::Database(error) => error.code().is_some_and(|code| match code.as_ref() {
            "57014" => false,
            "25006" => true,
            code => ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class)),
        }),
        sqlx::Error::RowNotFound
        | sqlx::Error::Encode(_)
        | sqlx::Error::Decode(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::TypeNotFound { .. } => false,
        _ => true,
    }
}

impl From<sqlx::Error> for SagaError {
    fn from(error: sqlx::Error) -> Self {
        // 42P01: undefined_table, 3F000: invalid_schema_name (PostgreSQL, appendix A).
        match error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref() {
            Some("42P01" | "3F000") => Self::NoTable(error),
            _ => Self::Database(error),
        }
    }
}
