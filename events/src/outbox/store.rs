//! The outbox as people see it: what waits, what is stuck, and what to do about it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use super::OutboxError;

/// The tables of the outbox. Cheap to clone.
#[derive(Clone)]
pub struct OutboxStore {
    database: PgPool,
}

/// How much is in the outbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
pub struct Backlog {
    /// Events that wait.
    pub waiting: i64,
    /// When the oldest of them was written.
    pub oldest: Option<DateTime<Utc>>,
}

/// How many keys wait, as Kafka refuses their first event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, FromRow)]
pub struct StuckCounts {
    /// Those whose first event is tried again.
    pub retrying: i64,
    /// Those whose first event is dead, and waits for somebody's word.
    pub dead: i64,
}

/// A key whose first event Kafka refuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
pub struct StuckKey {
    /// The refused event's id.
    pub id: Uuid,
    /// Its topic, without the prefix.
    pub topic: String,
    /// Its key.
    pub key: String,
    /// Its type.
    #[sqlx(rename = "type")]
    #[serde(rename = "type")]
    pub event_type: String,
    /// How often it was refused.
    pub tries: i32,
    /// Why, the last time.
    pub error: String,
    /// Since when.
    pub first_failed: DateTime<Utc>,
    /// When it is tried again; `None`: it is dead, and waits for somebody's word.
    pub next_try: Option<DateTime<Utc>>,
    /// Events of the key that wait behind it.
    pub behind: i64,
}

impl OutboxStore {
    /// The tables in the schema that this pool's connections are in.
    pub fn new(database: PgPool) -> Self {
        Self { database }
    }

    /// How much is there.
    pub async fn backlog(&self) -> Result<Backlog, OutboxError> {
        let count = "SELECT count(*) AS waiting, min(created) AS oldest FROM outbox";
        Ok(sqlx::query_as(count).fetch_one(&self.database).await?)
    }

    /// How many keys are stuck.
    pub async fn stuck_counts(&self) -> Result<StuckCounts, OutboxError> {
        let count = "SELECT count(next_try) AS retrying, count(*) - count(next_try) AS dead FROM outbox_stuck";
        Ok(sqlx::query_as(count).fetch_one(&self.database).await?)
    }

    /// Keys that are stuck, dead ones first.
    pub async fn stuck(&self) -> Result<Vec<StuckKey>, OutboxError> {
        let stuck = "SELECT o.id, s.topic, s.key, o.type, s.tries, s.error, s.first_failed, s.next_try, \
            (SELECT count(*) FROM outbox AS b WHERE COALESCE(b.topic, b.type) = s.topic \
                AND COALESCE(b.key, b.aggregateid) = s.key AND b.position > s.position) AS behind \
            FROM outbox_stuck AS s JOIN outbox AS o ON o.position = s.position \
            ORDER BY s.next_try IS NOT NULL, s.first_failed";
        Ok(sqlx::query_as(stuck).fetch_all(&self.database).await?)
    }

    /// Lets refused events be tried again at once, with all their tries: those of `ids`, or all. Gives how many.
    pub async fn retry(&self, ids: Option<&[Uuid]>) -> Result<u64, OutboxError> {
        let retry = "UPDATE outbox_stuck SET tries = 0, next_try = now() \
            WHERE $1 OR position IN (SELECT o.position FROM outbox AS o WHERE o.id = ANY($2))";
        let retried =
            sqlx::query(retry).bind(ids.is_none()).bind(ids.unwrap_or_default()).execute(&self.database).await?;
        sqlx::query("SELECT pg_notify('millgate_outbox', '')").execute(&self.database).await?;
        Ok(retried.rows_affected())
    }

    /// Removes a refused event for good; its key goes on. False if no such event is refused.
    pub async fn discard(&self, id: Uuid) -> Result<bool, OutboxError> {
        let mut transaction = self.database.begin().await?;
        let unstick = "DELETE FROM outbox_stuck WHERE position IN (SELECT o.position FROM outbox AS o WHERE o.id = $1) \
            RETURNING position";
        let position: Option<i64> = sqlx::query_scalar(unstick).bind(id).fetch_optional(&mut *transaction).await?;
        let Some(position) = position else { return Ok(false) };
        sqlx::query("DELETE FROM outbox WHERE position = $1").bind(position).execute(&mut *transaction).await?;
        sqlx::query("SELECT pg_notify('millgate_outbox', '')").execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(true)
    }
}
