//! What can go wrong in a stream.

use millgate_events::{DeadLetterError, KafkaError, OutboxError, ValueError};
use millgate_jobs::QueueError;

/// Why a stage could not take records. Whatever it is, its transaction is undone and the same records come again, after a pause.
///
/// A record that can never be taken is no such error: a stage writes it to the dead letters and goes on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StageError {
    /// PostgreSQL.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// Redis.
    #[error(transparent)]
    Redis(#[from] QueueError),
    /// Kafka.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// A record that cannot be taken could not be put aside.
    #[error(transparent)]
    DeadLetter(#[from] DeadLetterError),
    /// The store of large values.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// An event could not be appended to the outbox.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

/// Why a batch was not taken, or a stream ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The stage could not.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// Another process has moved the position: this one has lost the partition and does not know it yet.
    #[error("stream {stream} was moved on in {topic} partition {partition} by another process")]
    Fenced {
        /// The stream.
        stream: String,
        /// The topic.
        topic: String,
        /// Its partition.
        partition: i32,
    },
    /// The topic ends before where the stream is: it was made anew.
    #[error(
        "stream {stream} is at offset {position} of {topic} partition {partition}, which ends at {end}: the topic was made anew; \
         if what is new is to be taken from its beginning: millgate streams reset {stream}"
    )]
    TopicIsAnother {
        /// The stream.
        stream: String,
        /// The topic.
        topic: String,
        /// Its partition.
        partition: i32,
        /// Where the stream is.
        position: i64,
        /// Where the partition ends.
        end: i64,
    },
    /// The tables of streams, where their positions and what they know is kept.
    #[error(
        "the tables of streams cannot be used: {0}; is PostgreSQL up, and postgres.url (MILLGATE_POSTGRES_URL) right?"
    )]
    Tables(#[source] sqlx::Error),
    /// There are no tables.
    #[error("the tables of streams are missing; run: millgate migrate")]
    NoTables,
    /// Kafka cannot be used.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
}

impl From<sqlx::Error> for StreamError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            // undefined_table; https://www.postgresql.org/docs/current/errcodes-appendix.html
            sqlx::Error::Database(refused) if refused.code().as_deref() == Some("42P01") => Self::NoTables,
            _ => Self::Tables(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_that_cannot_be_used_say_what_to_look_at_and_a_stages_own_do_not() {
        let look = "is PostgreSQL up, and postgres.url (MILLGATE_POSTGRES_URL) right?";
        let told = StreamError::from(sqlx::Error::PoolTimedOut).to_string();
        assert!(told.contains(look) && told.contains(&sqlx::Error::PoolTimedOut.to_string()), "{told}");
        let told = StreamError::from(StageError::from(sqlx::Error::RowNotFound)).to_string();
        assert!(!told.contains(look), "{told}");
        assert!(StreamError::NoTables.to_string().contains("millgate migrate"));
    }
}
