//! What a stage may use beside its transaction.

use millgate_events::{DeadLetters, Producer, Values};
use millgate_jobs::{Cache, Queues};
use sqlx::PgPool;

/// Ways to the servers. Cheap to clone.
#[derive(Clone)]
pub struct Resources {
    /// PostgreSQL, beside the transaction.
    pub database: PgPool,
    /// Puts events on Kafka.
    pub producer: Producer,
    /// The queues in Redis.
    pub queues: Queues,
    /// Other keys in that Redis.
    pub cache: Cache,
    /// Where records go that cannot be taken.
    pub dead_letters: DeadLetters,
    /// Where values lie that are too large for Kafka, and by which schemas they are written.
    pub values: Values,
    /// The consumer group of the application; a stream's is `{group}.{stream}`.
    pub consumer_group: String,
}
