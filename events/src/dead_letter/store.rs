//! The table of dead letters.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgPool, QueryBuilder};
use uuid::Uuid;

use super::{DeadLetterError, LetterFilter, StoredLetter};

/// All that is known of a letter.
pub(super) const WHOLE: &str = "id, kind, status, topic, record_partition, record_offset, record_time, consumer_group, \
    event_type, event_id, event_source, correlation_id, saga_id, trace_id, queue, job_kind, job_id, job_head, key, payload, \
    edited, headers, code, message, fingerprint, attempts, failures, first_failed_at, failed_at, redrives, tries, \
    redriving_since, settled_at";
/// The same without what may be large.
const BRIEF: &str = "id, kind, status, topic, record_partition, record_offset, record_time, consumer_group, \
    event_type, event_id, event_source, correlation_id, saga_id, trace_id, queue, job_kind, job_id, NULL AS job_head, \
    NULL::bytea AS key, NULL::bytea AS payload, NULL::bytea AS edited, '[]'::jsonb AS headers, code, message, fingerprint, \
    attempts, '[]'::jsonb AS failures, first_failed_at, failed_at, redrives, tries, redriving_since, settled_at";

/// One row is there in milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// The tables of dead letters and of what was done about them. Cheap to clone.
#[derive(Clone)]
pub struct DeadLetterStore {
    pub(super) database: PgPool,
}

/// A place between two letters: they come in the order of their deaths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    failed_at: DateTime<Utc>,
    id: Uuid,
}

impl Position {
    /// Before all letters.
    pub const START: Self = Self { failed_at: DateTime::<Utc>::MIN_UTC, id: Uuid::nil() };

    /// Behind that letter.
    pub fn after(letter: &StoredLetter) -> Self {
        Self { failed_at: letter.failed_at, id: letter.id }
    }

    pub(super) fn push_where(&self, query: &mut QueryBuilder<sqlx::Postgres>) {
        if *self != Self::START {
            query.push(" AND (failed_at, id) > (").push_bind(self.failed_at).push(", ").push_bind(self.id).push(")");
        }
    }
}

impl DeadLetterStore {
    /// The tables in the schema that this pool's connections are in.
    pub fn new(database: PgPool) -> Self {
        Self { database }
    }

    /// Creates the tables, with all others of millgate's own, or brings them up to date. Gives how many migrations there
    /// are.
    pub async fn migrate(&self) -> Result<usize, DeadLetterError> {
        Ok(crate::migrate(&self.database).await?)
    }

    /// Finds out whether letters can be stored.
    pub async fn check(&self) -> Result<(), DeadLetterError> {
        sqlx::query("SELECT 1 FROM dead_letters LIMIT 1").execute(&self.database).await?;
        Ok(())
    }

    /// Puts a letter in; one that is there already stays as it is.
    pub(super) async fn put(&self, letter: &StoredLetter) -> Result<(), DeadLetterError> {
        let insert = "INSERT INTO dead_letters (id, kind, topic, record_partition, record_offset, record_time, \
            consumer_group, event_type, event_id, event_source, correlation_id, saga_id, trace_id, queue, job_kind, job_id, \
            job_head, key, payload, headers, code, message, fingerprint, attempts, failures, first_failed_at, failed_at, \
            redrives) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, \
            $21, $22, $23, $24, $25, $26, $27, $28) ON CONFLICT (id) DO NOTHING";
        let insert = sqlx::query(insert)
            .bind(letter.id)
            .bind(letter.kind.as_str())
            .bind(&letter.topic)
            .bind(letter.partition)
            .bind(letter.offset)
            .bind(letter.record_time)
            .bind(&letter.consumer_group)
            .bind(&letter.event_type)
            .bind(&letter.event_id)
            .bind(&letter.event_source)
            .bind(&letter.correlation_id)
            .bind(&letter.saga_id)
            .bind(&letter.trace_id)
            .bind(&letter.queue)
            .bind(&letter.job_kind)
            .bind(&letter.job_id)
            .bind(&letter.job_head)
            .bind(&letter.key)
            .bind(&letter.payload)
            .bind(&letter.headers)
            .bind(&letter.code)
            .bind(&letter.message)
            .bind(&letter.fingerprint)
            .bind(letter.attempts)
            .bind(&letter.failures)
            .bind(letter.first_failed_at)
            .bind(letter.failed_at)
            .bind(letter.redrives)
            .execute(&self.database);
        // A connection that went silent would keep a partition waiting for as long as the system believes in it.
        tokio::time::timeout(PATIENCE, insert).await.map_err(|_| DeadLetterError::Silent(PATIENCE))??;
        Ok(())
    }

    /// A letter with everything.
    pub async fn get(&self, id: Uuid) -> Result<Option<StoredLetter>, DeadLetterError> {
        let mut query = QueryBuilder::new(format!("SELECT {WHOLE} FROM dead_letters WHERE id = "));
        query.push_bind(id);
        Ok(query.build_query_as().fetch_optional(&self.database).await?)
    }

    /// Up to `most` letters behind a place, the oldest first; without payloads, headers and failures.
    pub async fn page(
        &self,
        filter: &LetterFilter,
        after: Position,
        most: u32,
    ) -> Result<Vec<StoredLetter>, DeadLetterError> {
        self.letters(BRIEF, filter, after, most).await
    }

    /// The same with everything.
    pub async fn whole_page(
        &self,
        filter: &LetterFilter,
        after: Position,
        most: u32,
    ) -> Result<Vec<StoredLetter>, DeadLetterError> {
        self.letters(WHOLE, filter, after, most).await
    }

    async fn letters(
        &self,
        columns: &str,
        filter: &LetterFilter,
        after: Position,
        most: u32,
    ) -> Result<Vec<StoredLetter>, DeadLetterError> {
        let mut query = QueryBuilder::new(format!("SELECT {columns} FROM dead_letters WHERE TRUE"));
        filter.push_where(&mut query);
        after.push_where(&mut query);
        query.push(" ORDER BY failed_at, id LIMIT ").push_bind(i64::from(most));
        Ok(query.build_query_as().fetch_all(&self.database).await?)
    }

    /// Letters of these events, jobs, correlation ids or traces, the oldest first and with everything: what belongs to one
    /// story, as far as there are no more than `most`.
    pub async fn of_story(
        &self,
        events: &[String],
        jobs: &[String],
        correlations: &[String],
        traces: &[String],
        most: u32,
    ) -> Result<Vec<StoredLetter>, DeadLetterError> {
        let mut query = QueryBuilder::new(format!("SELECT {WHOLE} FROM dead_letters WHERE event_id = ANY("));
        query.push_bind(events.to_vec()).push(") OR job_id = ANY(").push_bind(jobs.to_vec());
        query.push(") OR correlation_id = ANY(").push_bind(correlations.to_vec());
        query.push(") OR trace_id = ANY(").push_bind(traces.to_vec());
        query.push(") ORDER BY failed_at, id LIMIT ").push_bind(i64::from(most));
        let letters = query.build_query_as().fetch_all(&self.database);
        Ok(tokio::time::timeout(PATIENCE, letters).await.map_err(|_| DeadLetterError::Silent(PATIENCE))??)
    }

    /// How many letters a filter lets through.
    pub async fn count(&self, filter: &LetterFilter) -> Result<u64, DeadLetterError> {
        let mut query = QueryBuilder::new("SELECT count(*) FROM dead_letters WHERE TRUE");
        filter.push_where(&mut query);
        let count: i64 = query.build_query_scalar().fetch_one(&self.database).await?;
        Ok(count.unsigned_abs())
    }

    /// Of the letters that a filter lets through: how many had been redriven `redrives` times or more when they died; and of
    /// the others, how many have a redrive that was begun at `begun_by` or before. One look, since others may be at work.
    pub async fn count_held_back(
        &self,
        filter: &LetterFilter,
        redrives: i32,
        begun_by: DateTime<Utc>,
    ) -> Result<(u64, u64), DeadLetterError> {
        let mut query = QueryBuilder::new("SELECT count(*) FILTER (WHERE redrives >= ");
        query.push_bind(redrives).push("), count(*) FILTER (WHERE redrives < ").push_bind(redrives);
        query.push(" AND redriving_since <= ").push_bind(begun_by).push(") FROM dead_letters WHERE TRUE");
        filter.push_where(&mut query);
        let (looping, old): (i64, i64) = query.build_query_as().fetch_one(&self.database).await?;
        Ok((looping.unsigned_abs(), old.unsigned_abs()))
    }

    /// Removes up to `most` letters that were redriven or discarded longer ago than `age`; what is still dead stays. Gives
    /// how many.
    pub async fn expire(&self, age: Duration, most: u32) -> Result<u64, DeadLetterError> {
        let delete = "DELETE FROM dead_letters WHERE id IN (SELECT id FROM dead_letters \
            WHERE status IN ('redriven', 'discarded') AND settled_at < now() - make_interval(secs => $1) LIMIT $2)";
        let deleted = sqlx::query(delete).bind(age.as_secs_f64()).bind(i64::from(most)).execute(&self.database).await?;
        Ok(deleted.rows_affected())
    }

    /// A moment of the database's own clock, by which letters are stored.
    pub async fn now(&self) -> Result<DateTime<Utc>, DeadLetterError> {
        Ok(sqlx::query_scalar("SELECT now()").fetch_one(&self.database).await?)
    }
}
