//! Counts of letters, by what they have in common.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::QueryBuilder;

use super::{DeadLetterError, DeadLetterStore, LetterFilter, LetterKind, LetterStatus};

/// Letters of one kind and cause.
#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
pub struct LetterGroup {
    /// Events or jobs.
    #[sqlx(try_from = "String")]
    pub kind: LetterKind,
    /// The kind of the jobs, or the type of the events.
    pub what: Option<String>,
    /// The topic that they come from, if any.
    pub topic: Option<String>,
    /// Why, in a word.
    pub code: String,
    /// The same for all of this cause.
    pub fingerprint: String,
    /// Why, in the words of one of them.
    pub message: String,
    /// How many there are.
    pub letters: i64,
    /// When the first of them died.
    pub oldest: DateTime<Utc>,
    /// When the last of them died.
    pub newest: DateTime<Utc>,
}

/// All counts.
#[derive(Debug, Clone, Serialize)]
pub struct LetterStats {
    /// All letters that there are.
    pub total: i64,
    /// Those that nothing was done about, or whose redrive was cut off.
    pub unprocessed: i64,
    /// Those that were redriven or discarded.
    pub processed: i64,
    /// By state.
    pub by_status: Vec<(LetterStatus, i64)>,
    /// Of the unprocessed ones: when the first died.
    pub oldest: Option<DateTime<Utc>>,
    /// The unprocessed ones by cause, the largest group first.
    pub groups: Vec<LetterGroup>,
}

/// Letters that nothing was done about yet, or whose redrive was cut off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct OpenLetters {
    /// Events or jobs.
    #[sqlx(try_from = "String")]
    pub kind: LetterKind,
    /// How many there are.
    pub letters: i64,
    /// When the first of them died.
    pub oldest: Option<DateTime<Utc>>,
}

/// More groups than anybody reads.
const MOST_GROUPS: i64 = 100;

impl DeadLetterStore {
    /// How many are open, by kind; a kind without any is left out.
    pub async fn open(&self) -> Result<Vec<OpenLetters>, DeadLetterError> {
        let count = "SELECT kind, count(*) AS letters, min(failed_at) AS oldest FROM dead_letters \
            WHERE status IN ('dead', 'redriving') GROUP BY kind";
        Ok(sqlx::query_as(count).fetch_all(&self.database).await?)
    }

    /// Counts the letters that a filter lets through. Groups beyond the hundred largest are left out.
    pub async fn stats(&self, filter: &LetterFilter) -> Result<LetterStats, DeadLetterError> {
        let mut query = QueryBuilder::new("SELECT status, count(*) FROM dead_letters WHERE TRUE");
        filter.push_where(&mut query);
        query.push(" GROUP BY status ORDER BY status");
        let counts: Vec<(String, i64)> = query.build_query_as().fetch_all(&self.database).await?;
        // The table holds no others.
        let by_status: Vec<(LetterStatus, i64)> =
            counts.into_iter().filter_map(|(status, count)| Some((status.parse().ok()?, count))).collect();
        let mut query = QueryBuilder::new(
            "SELECT kind, COALESCE(job_kind, event_type) AS what, topic, code, fingerprint, min(message) AS message, \
             count(*) AS letters, min(failed_at) AS oldest, max(failed_at) AS newest FROM dead_letters WHERE TRUE",
        );
        filter.clone().open().push_where(&mut query);
        query.push(" GROUP BY kind, COALESCE(job_kind, event_type), topic, code, fingerprint ORDER BY letters DESC, oldest LIMIT ");
        query.push_bind(MOST_GROUPS);
        let groups: Vec<LetterGroup> = query.build_query_as().fetch_all(&self.database).await?;
        let mut query = QueryBuilder::new("SELECT min(failed_at) FROM dead_letters WHERE TRUE");
        filter.clone().open().push_where(&mut query);
        let oldest = query.build_query_scalar().fetch_one(&self.database).await?;
        let sum = |open: bool| {
            by_status.iter().filter(|(status, _)| status.is_open() == open).map(|(_, count)| count).sum::<i64>()
        };
        let (unprocessed, processed) = (sum(true), sum(false));
        Ok(LetterStats { total: unprocessed + processed, unprocessed, processed, by_status, oldest, groups })
    }
}
