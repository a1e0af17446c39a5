//! What can go wrong with a replay.

use std::time::Duration;

use crate::{KafkaError, StoreError};

/// Why a replay cannot begin, or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// Kafka, or what lies there.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The tables of replays.
    #[error("the tables of replays cannot be used: {0}; are they there (`millgate migrate`), and is PostgreSQL up?")]
    Database(#[from] sqlx::Error),
    /// The event store, or the projection.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// PostgreSQL is there, and does not answer.
    #[error("PostgreSQL does not answer within {0:?}")]
    Silent(Duration),
    /// The file.
    #[error("{path}: {reason}")]
    File {
        /// Where it is.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// With `strict`: a record that is no event.
    #[error("{place} cannot be replayed: {reason}; without --strict such records are counted and skipped")]
    Unreadable {
        /// `topic/partition/offset`.
        place: String,
        /// Why.
        reason: String,
    },
    /// With `strict`: Kafka has deleted records that were wanted.
    #[error("{records} records at {place} are no longer there; without --strict they are counted and skipped")]
    Expired {
        /// `topic/partition`, and the offsets.
        place: String,
        /// How many offsets.
        records: u64,
    },
    /// There is no such replay.
    #[error("there is no replay {0}; `millgate replay list` shows those there are")]
    Unknown(String),
    /// It runs elsewhere.
    #[error("replay {0} runs already, in another process")]
    Runs(String),
    /// It has come to its end.
    #[error("replay {0} is done; start another one to do it again")]
    Done(String),
    /// What was noted cannot be read.
    #[error("what is noted of replay {id} cannot be read: {reason}")]
    Garbled {
        /// The replay.
        id: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It cannot be meant, or not by this program.
    #[error("{0}")]
    Refused(String),
    /// The destination is away.
    #[error("{0}")]
    Away(String),
}

impl ReplayError {
    /// Whether it may go on in a while, by itself.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Kafka(error) => error.is_transient(),
            Self::Away(_) | Self::Silent(_) => true,
            _ => false,
        }
    }
}
