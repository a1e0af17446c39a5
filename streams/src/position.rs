//! How far a stream is, as PostgreSQL has it.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use millgate_events::Holding;
use serde::Serialize;
use sqlx::{FromRow, PgConnection, PgPool};

use crate::StreamError;

/// Without a belief where it is there must be no row.
const BEGIN: &str = "INSERT INTO stream_positions (stream, topic, partition, next_offset) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (stream, topic, partition) DO NOTHING";

/// Moves, unless it is not where it is believed to be. One that was forgotten meanwhile (`streams reset`) is not put back.
const MOVE: &str = "UPDATE stream_positions SET next_offset = $4, moved_at = now() \
    WHERE stream = $1 AND topic = $2 AND partition = $3 AND next_offset = $5";

const READ: &str = "SELECT next_offset FROM stream_positions WHERE stream = $1 AND topic = $2 AND partition = $3";

/// Reads where a stream is in a partition; `None` if it has taken nothing of it.
pub(crate) async fn read(
    stream: &str,
    partition: &Holding,
    database: &mut PgConnection,
) -> Result<Option<i64>, StreamError> {
    let read = sqlx::query_scalar(READ).bind(stream).bind(&**partition.topic()).bind(partition.partition());
    Ok(read.fetch_optional(database).await?)
}

/// Where a stream is in all partitions, by topic and number.
pub(crate) async fn read_all(
    stream: &str,
    database: &mut PgConnection,
) -> Result<HashMap<(String, i32), i64>, StreamError> {
    let read = "SELECT topic, partition, next_offset FROM stream_positions WHERE stream = $1";
    let rows: Vec<(String, i32, i64)> = sqlx::query_as(read).bind(stream).fetch_all(database).await?;
    Ok(rows.into_iter().map(|(topic, partition, next)| ((topic, partition), next)).collect())
}

/// Moves it from where it was read to be. That it is elsewhere means that another process has the partition.
pub(crate) async fn advance(
    stream: &str,
    partition: &Holding,
    from: Option<i64>,
    to: i64,
    database: &mut PgConnection,
) -> Result<(), StreamError> {
    let advance = sqlx::query(if from.is_some() { MOVE } else { BEGIN });
    let advance = advance.bind(stream).bind(&**partition.topic()).bind(partition.partition()).bind(to);
    let advance = if let Some(from) = from { advance.bind(from) } else { advance };
    if advance.execute(database).await?.rows_affected() == 1 {
        return Ok(());
    }
    let topic = partition.topic().to_string();
    Err(StreamError::Fenced { stream: stream.to_owned(), topic, partition: partition.partition() })
}

/// Sees to it that it is where it was read to be, and stays there until this transaction ends.
pub(crate) async fn hold(
    stream: &str,
    partition: &Holding,
    at: Option<i64>,
    database: &mut PgConnection,
) -> Result<(), StreamError> {
    let hold =
        "SELECT next_offset FROM stream_positions WHERE stream = $1 AND topic = $2 AND partition = $3 FOR UPDATE";
    let hold = sqlx::query_scalar(hold).bind(stream).bind(&**partition.topic()).bind(partition.partition());
    if hold.fetch_optional(database).await? == at {
        return Ok(());
    }
    let topic = partition.topic().to_string();
    Err(StreamError::Fenced { stream: stream.to_owned(), topic, partition: partition.partition() })
}

/// Where a stream is in a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
pub struct StreamPosition {
    /// The stream.
    pub stream: String,
    /// The topic, as Kafka names it.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// The first offset that is not in the stream's tables.
    pub next_offset: i64,
    /// When it last moved.
    pub moved_at: DateTime<Utc>,
}

/// The positions of all streams, for those who look.
#[derive(Debug, Clone)]
pub struct StreamPositions(PgPool);

impl StreamPositions {
    /// Those of this pool's schema.
    pub fn new(database: PgPool) -> Self {
        Self(database)
    }

    /// All of them, by stream, topic and partition.
    pub async fn list(&self) -> Result<Vec<StreamPosition>, StreamError> {
        let list = "SELECT stream, topic, partition, next_offset, moved_at FROM stream_positions ORDER BY 1, 2, 3";
        Ok(sqlx::query_as(list).fetch_all(&self.0).await?)
    }

    /// Forgets where a stream is; it goes on from its group's offset in Kafka. What it has written stays. Gives how many there
    /// were.
    pub async fn forget(&self, stream: &str) -> Result<u64, StreamError> {
        let forget = sqlx::query("DELETE FROM stream_positions WHERE stream = $1").bind(stream);
        Ok(forget.execute(&self.0).await?.rows_affected())
    }
}
