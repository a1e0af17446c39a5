//! Windows, for those who look.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::{FromRow, PgPool};

use super::fold::NEVER;
use crate::StreamError;

/// The tables of windows. Cheap to clone.
#[derive(Debug, Clone)]
pub struct WindowStore(PgPool);

/// How far a stream of windows is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
pub struct WindowProgress {
    /// The stream.
    pub stream: String,
    /// What its windows are.
    pub windows: String,
    /// No event before this is waited for; `None`: not every partition was seen yet.
    pub watermark: Option<DateTime<Utc>>,
    /// Windows that end here or before are final; `None`: there was none.
    pub closed_through: Option<DateTime<Utc>>,
    /// The latest event.
    pub newest: Option<DateTime<Utc>>,
    /// Events that count.
    pub events: i64,
    /// Events that came too late.
    pub late: i64,
    /// Events that claim to be of the future.
    pub ahead: i64,
    /// Slices and sessions that are open, of all keys and partitions.
    pub open: i64,
}

/// A result as the table has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
pub struct StoredWindow {
    /// The key.
    pub key: String,
    /// Where the window begins.
    pub window_start: DateTime<Utc>,
    /// Where it ends.
    pub window_end: DateTime<Utc>,
    /// What its events come to.
    pub value: Value,
    /// How many they are.
    pub events: i64,
    /// Nothing is added any more.
    #[serde(rename = "final")]
    #[sqlx(rename = "final")]
    pub is_final: bool,
    /// When it was last written.
    pub updated_at: DateTime<Utc>,
}

impl WindowStore {
    /// Those of this pool's schema.
    pub fn new(database: PgPool) -> Self {
        Self(database)
    }

    /// How far each stream is, by name.
    pub async fn list(&self) -> Result<Vec<WindowProgress>, StreamError> {
        let list = "SELECT s.stream, s.shape AS windows, \
            to_timestamp(NULLIF(s.watermark, $1) / 1000.0) AS watermark, \
            to_timestamp(NULLIF(s.closed_through, $1) / 1000.0) AS closed_through, \
            to_timestamp(NULLIF(max(w.newest), $1) / 1000.0) AS newest, \
            COALESCE(sum(w.events), 0)::bigint AS events, COALESCE(sum(w.late), 0)::bigint AS late, \
            COALESCE(sum(w.ahead), 0)::bigint AS ahead, \
            (SELECT count(*) FROM window_partials AS p WHERE p.stream = s.stream) AS open \
            FROM window_streams AS s LEFT JOIN window_watermarks AS w ON w.stream = s.stream GROUP BY s.stream ORDER BY 1";
        Ok(sqlx::query_as(list).bind(NEVER).fetch_all(&self.0).await?)
    }

    /// Results of a stream, newest windows first: of one key, of windows that end after `since`, `most` of them.
    pub async fn results(
        &self,
        stream: &str,
        key: Option<&str>,
        since: Option<DateTime<Utc>>,
        most: i64,
    ) -> Result<Vec<StoredWindow>, StreamError> {
        let results = "SELECT key, window_start, window_end, value, events, final, updated_at FROM window_results \
            WHERE stream = $1 AND ($2::text IS NULL OR key = $2) AND ($3::timestamptz IS NULL OR window_end > $3) \
            ORDER BY window_end DESC, key LIMIT $4";
        Ok(sqlx::query_as(results).bind(stream).bind(key).bind(since).bind(most).fetch_all(&self.0).await?)
    }
}
