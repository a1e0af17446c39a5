//! What is made of records.

use std::time::Duration;

use chrono::{DateTime, Utc};
use millgate_events::{Holding, Record};
use sqlx::PgConnection;

use crate::StageError;

/// Makes something of records, in PostgreSQL: each record once.
///
/// Partitions are independent of each other: each has a state of its own, and may be at another process tomorrow.
pub trait Stage: Send + Sync + 'static {
    /// What it remembers of a partition from batch to batch. It is forgotten whenever a batch fails or the partition leaves: all
    /// that matters is in the tables.
    type State: Send + 'static;

    /// Reads what the tables have of a partition that has come here, or whose last batch failed.
    fn open(
        &self,
        partition: &Holding,
        database: &mut PgConnection,
    ) -> impl Future<Output = Result<Self::State, StageError>> + Send;

    /// Takes records of a partition, in their order, in the transaction in which the position moves past them. What it does
    /// elsewhere (Redis, Kafka) it may do again: let it come to the same.
    fn take(
        &self,
        state: &mut Self::State,
        records: &[Record],
        database: &mut PgConnection,
    ) -> impl Future<Output = Result<(), StageError>> + Send;

    /// What was taken, or done when idle, has been committed.
    fn taken(&self, state: &mut Self::State) {
        let _ = state;
    }

    /// How often the clock turns for this stage; `None`, as long as nobody says otherwise: never.
    fn clock(&self) -> Option<Clock> {
        None
    }

    /// A turn of the clock for a partition of which nothing is left to be taken, and nothing came for a while. `at` was now before
    /// Kafka was asked. It is a transaction like that of [`take`](Self::take): where another process has moved the position,
    /// nothing is written.
    fn idle(
        &self,
        state: &mut Self::State,
        partition: &Holding,
        at: DateTime<Utc>,
        database: &mut PgConnection,
    ) -> impl Future<Output = Result<(), StageError>> + Send {
        let _ = (state, partition, at, database);
        async { Ok(()) }
    }

    /// A turn of the clock for the stream as a whole, in a transaction of its own, at each of its processes. Gives whether there is
    /// more to be done at once.
    fn turn(
        &self,
        turn: &Turn<'_>,
        database: &mut PgConnection,
    ) -> impl Future<Output = Result<bool, StageError>> + Send {
        let _ = (turn, database);
        async { Ok(false) }
    }

    /// What a turn did has been committed.
    fn turned(&self) {}
}

/// How the clock turns for a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// Between turns.
    pub every: Duration,
    /// A partition of which nothing came for so long, and nothing is left, is idle.
    pub idle_after: Duration,
}

/// A turn of the clock.
#[derive(Debug, Clone, Copy)]
pub struct Turn<'a> {
    /// The stream's topics, as Kafka names them, and how many partitions each has.
    pub topics: &'a [(String, usize)],
    /// The partitions that this process has.
    pub holdings: &'a [Holding],
    /// Now.
    pub at: DateTime<Utc>,
    /// The same turn once more, as there was more to be done.
    pub again: bool,
}
