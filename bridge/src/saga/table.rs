//! The tables of sagas: `events/migrations/0006_sagas.sql`.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::{Happening, Instance, SagaError, SagaStatus, TimelineEntry};

pub(super) const COLUMNS: &str = "id, saga, version, key, status, state, progress, revision, correlation_id, \
    causation_id, traceparent, started_at, changed_at, ended_at, due, now() AS now";

#[derive(FromRow)]
pub(super) struct Row {
    pub(super) id: Uuid,
    saga: String,
    version: i32,
    key: String,
    status: String,
    state: String,
    progress: String,
    revision: i64,
    correlation_id: String,
    causation_id: Option<String>,
    traceparent: Option<String>,
    started_at: DateTime<Utc>,
    pub(super) changed_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    /// The time of the transaction, by the clock of the database: the only one that timers go by.
    pub(super) now: DateTime<Utc>,
}

impl Row {
    pub(super) fn instance(self) -> Result<Instance, SagaError> {
        let id = self.id;
        let broken = |reason: String| SagaError::Broken { id: id.to_string(), reason };
        let read = |error: serde_json::Error| broken(error.to_string());
        Ok(Instance {
            id,
            version: u32::try_from(self.version).map_err(|error| broken(error.to_string()))?,
            status: SagaStatus::named(&self.status).ok_or_else(|| broken(format!("its status is {}", self.status)))?,
            state: serde_json::from_str(&self.state).map_err(read)?,
            progress: serde_json::from_str(&self.progress).map_err(read)?,
            saga: self.saga,
            key: self.key,
            revision: self.revision,
            correlation_id: self.correlation_id,
            causation_id: self.causation_id,
            traceparent: self.traceparent,
            started_at: self.started_at,
            ended_at: self.ended_at,
        })
    }
}

/// The database's clock.
pub(super) async fn now(database: &mut PgConnection) -> sqlx::Result<DateTime<Utc>> {
    sqlx::query_scalar("SELECT now()").fetch_one(database).await
}

pub(super) async fn load(database: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<Row>> {
    let load = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM sagas WHERE id = $1"));
    sqlx::query_as(load).bind(id).fetch_optional(database).await
}

fn progress(instance: &Instance) -> String {
    // Its keys are texts; it can always be written.
    serde_json::to_string(&instance.progress).unwrap_or_default()
}

/// False if there is one of that id.
pub(super) async fn insert(database: &mut PgConnection, saga: &Instance, now: DateTime<Utc>) -> sqlx::Result<bool> {
    let insert = "INSERT INTO sagas (id, saga, version, key, status, state, progress, due, revision, correlation_id, \
        causation_id, traceparent, started_at, changed_at, ended_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT (id) DO NOTHING";
    let inserted = sqlx::query(insert)
        .bind(saga.id)
        .bind(&saga.saga)
        .bind(i32::try_from(saga.version).unwrap_or(i32::MAX))
        .bind(&saga.key)
        .bind(saga.status.as_str())
        .bind(saga.state.to_string())
        .bind(progress(saga))
        .bind(saga.due())
        .bind(saga.revision)
        .bind(&saga.correlation_id)
        .bind(&saga.causation_id)
        .bind(&saga.traceparent)
        .bind(saga.started_at)
        .bind(now)
        .bind(saga.ended_at)
        .execute(database)
        .await?;
    Ok(inserted.rows_affected() == 1)
}

/// False if somebody else changed it since it was read.
pub(super) async fn update(database: &mut PgConnection, saga: &Instance, now: DateTime<Utc>) -> sqlx::Result<bool> {
    let update = "UPDATE sagas SET status = $3, state = $4, progress = $5, due = $6, revision = $7, changed_at = $8, \
        ended_at = $9 WHERE id = $1 AND revision = $2";
    let updated = sqlx::query(update)
        .bind(saga.id)
        .bind(saga.revision - 1)
        .bind(saga.status.as_str())
        .bind(saga.state.to_string())
        .bind(progress(saga))
        .bind(saga.due())
        .bind(saga.revision)
        .bind(now)
        .bind(saga.ended_at)
        .execute(database)
        .await?;
    Ok(updated.rows_affected() == 1)
}

pub(super) async fn log(database: &mut PgConnection, saga: &Instance, lines: &[TimelineEntry]) -> sqlx::Result<()> {
    for (number, line) in lines.iter().enumerate() {
        let insert = "INSERT INTO saga_log (saga_id, revision, line, at, what, step, detail) \
            VALUES ($1, $2, $3, $4, $5, $6, $7)";
        // What somebody wrote may have what no text column takes.
        let plain = |text: &str| -> String { text.chars().filter(|&c| c != '\0').take(1_000).collect() };
        sqlx::query(insert)
            .bind(saga.id)
            .bind(saga.revision)
            .bind(i32::try_from(number).unwrap_or(i32::MAX))
            .bind(line.at)
            .bind(line.what.as_str())
            .bind(line.step.as_deref().map(plain))
            .bind(plain(&line.detail))
            .execute(&mut *database)
            .await?;
    }
    Ok(())
}

#[derive(FromRow)]
struct Line {
    at: DateTime<Utc>,
    what: String,
    step: Option<String>,
    detail: String,
}

pub(super) async fn timeline(database: &mut PgConnection, id: Uuid) -> sqlx::Result<Vec<TimelineEntry>> {
    let select = "SELECT at, what, step, detail FROM saga_log WHERE saga_id = $1 ORDER BY revision, line";
    let lines: Vec<Line> = sqlx::query_as(select).bind(id).fetch_all(database).await?;
    let known = lines.into_iter().filter_map(|Line { at, what, step, detail }| {
        Some(TimelineEntry { at, what: Happening::named(&what)?, step, detail })
    });
    Ok(known.collect())
}

/// Keeps a reply for whoever can use it.
pub(super) async fn park(database: &mut PgConnection, id: Uuid, reply: &str) -> sqlx::Result<()> {
    let park = "INSERT INTO saga_parked (saga_id, reply) VALUES ($1, $2)";
    sqlx::query(park).bind(id).bind(reply).execute(database).await?;
    Ok(())
}

/// False if somebody else has taken it.
pub(super) async fn unpark(database: &mut PgConnection, parked: i64) -> sqlx::Result<bool> {
    let unparked = sqlx::query("DELETE FROM saga_parked WHERE id = $1").bind(parked).execute(database).await?;
    Ok(unparked.rows_affected() == 1)
}
