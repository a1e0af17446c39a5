//! What is made of records.

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
}
