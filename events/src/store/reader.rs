//! All events, in one order.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{AssertSqlSafe, FromRow, PgConnection};

use super::{COLUMNS, EventStore, StoreError, StoredEvent};

/// Bytes of payloads that are read at a time, as PostgreSQL stores them; a larger one goes by itself.
const BYTES: i64 = 16 * 1024 * 1024;

/// A stream, as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
pub struct StreamInfo {
    /// Its name.
    pub stream: String,
    /// The version of its last event.
    pub version: i64,
    /// When its first event was appended.
    pub created: DateTime<Utc>,
}

impl EventStore {
    /// All events after a position, in their order, at most so many. Who goes on after the last of them misses none: what may still
    /// be committed before an event keeps it back.
    pub async fn read_all(&self, after: i64, most: u32) -> Result<Vec<StoredEvent>, StoreError> {
        let mut connection = self.database.acquire().await?;
        let horizon = horizon(&mut connection).await?;
        after_position(&mut connection, after, horizon, most, &[]).await
    }

    /// Streams whose names begin like that, in their order.
    pub async fn streams(&self, prefix: &str, most: u32) -> Result<Vec<StreamInfo>, StoreError> {
        let streams = "SELECT stream, version, created FROM store_streams WHERE starts_with(stream, $1) \
            ORDER BY stream LIMIT $2";
        Ok(sqlx::query_as(streams).bind(prefix).bind(i64::from(most)).fetch_all(&self.database).await?)
    }
}

/// The position up to which nothing can come any more.
pub(super) async fn horizon(database: &mut PgConnection) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar("SELECT store_horizon()").fetch_one(database).await?)
}

/// Events after one position and up to another one; those of other than the wanted types (none: all) without data and metadata.
pub(super) async fn after_position(
    database: &mut PgConnection,
    after: i64,
    horizon: i64,
    most: u32,
    wanted: &[&str],
) -> Result<Vec<StoredEvent>, StoreError> {
    let read = format!(
        "SELECT {COLUMNS} FROM (SELECT e.position, e.stream, e.version, e.id, e.type, e.type_version, e.time, \
            CASE WHEN is_wanted THEN e.data END AS data, CASE WHEN is_wanted THEN e.metadata END AS metadata, \
            SUM(size) OVER (ORDER BY position) - size AS before FROM ( \
            SELECT e.*, w.is_wanted, CASE WHEN w.is_wanted THEN pg_column_size(e.data) ELSE 0 END AS size \
            FROM store_events AS e CROSS JOIN LATERAL (SELECT cardinality($4::text[]) = 0 OR e.type = ANY($4) AS is_wanted) AS w \
            WHERE e.position > $1 AND e.position <= $2 ORDER BY e.position LIMIT $3) AS e) AS e \
        WHERE before < $5 ORDER BY position"
    );
    let query = sqlx::query_as(AssertSqlSafe(read)).bind(after).bind(horizon).bind(i64::from(most));
    Ok(query.bind(wanted).bind(BYTES).fetch_all(database).await?)
}
