//! The audit: what was done about letters, by whom, and why.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use super::{DeadLetterError, DeadLetterStore, LetterFilter};

/// Something that is about to be done.
#[derive(Debug, Clone, Copy)]
pub struct Action<'a> {
    /// `redrive`, `discard`, `restore` or `edit`.
    pub what: &'a str,
    /// Who does it.
    pub who: &'a str,
    /// Why.
    pub why: &'a str,
    /// To which letters.
    pub filter: &'a LetterFilter,
}

/// Something that was done.
#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
pub struct PastAction {
    /// Its number.
    pub id: i64,
    /// `redrive`, `discard`, `restore` or `edit`.
    pub what: String,
    /// Who did it.
    pub who: String,
    /// Why.
    pub why: String,
    /// To which letters.
    pub filter: Json<Value>,
    /// When it was begun.
    pub began_at: DateTime<Utc>,
    /// When it was ended; `None` while it is under way, or if it was cut off.
    pub ended_at: Option<DateTime<Utc>>,
    /// How many letters it was done to.
    pub letters: i64,
}

impl DeadLetterStore {
    /// Notes that something is begun, and gives its number.
    pub async fn begin(&self, action: &Action<'_>) -> Result<i64, DeadLetterError> {
        let insert = "INSERT INTO dead_letter_actions (what, who, why, filter) VALUES ($1, $2, $3, $4) RETURNING id";
        let insert = sqlx::query_scalar(insert).bind(action.what).bind(action.who).bind(action.why);
        Ok(insert.bind(Json(action.filter)).fetch_one(&self.database).await?)
    }

    /// Notes that it is ended.
    pub async fn end(&self, action: i64) -> Result<(), DeadLetterError> {
        let update = "UPDATE dead_letter_actions SET ended_at = now() WHERE id = $1";
        sqlx::query(update).bind(action).execute(&self.database).await?;
        Ok(())
    }

    /// What was done about a letter, in order.
    pub async fn actions(&self, letter: Uuid) -> Result<Vec<PastAction>, DeadLetterError> {
        let select = "SELECT id, what, who, why, filter, began_at, ended_at, letters FROM dead_letter_actions \
            WHERE id = ANY((SELECT actions FROM dead_letters WHERE id = $1)::bigint[]) ORDER BY id";
        Ok(sqlx::query_as(select).bind(letter).fetch_all(&self.database).await?)
    }
}
