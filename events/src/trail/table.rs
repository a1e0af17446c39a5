//! The trail's tables as they are written: by a connection of its own, so that handlers have all of theirs.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgPool, Postgres, Transaction, postgres::PgPoolOptions};
use tokio::time::timeout;

use super::{
    TrailError,
    buffer::{Gap, Notes},
    note::{EventNote, RunNote},
};

/// A batch is there in milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// Rows in one step of the expiry.
pub(super) const STEP: u32 = 2_000;

const EXPIRE: [&str; 3] = [
    "DELETE FROM trail_events WHERE handed_off_at <= (SELECT max(handed_off_at) FROM (SELECT handed_off_at \
        FROM trail_events WHERE handed_off_at < $1 ORDER BY handed_off_at LIMIT $2) AS old)",
    "DELETE FROM trail_runs WHERE began_at <= (SELECT max(began_at) FROM (SELECT began_at \
        FROM trail_runs WHERE began_at < $1 ORDER BY began_at LIMIT $2) AS old)",
    "DELETE FROM trail_gaps WHERE ended_at <= (SELECT max(ended_at) FROM (SELECT ended_at \
        FROM trail_gaps WHERE ended_at < $1 ORDER BY ended_at LIMIT $2) AS old)",
];

pub(super) struct Table {
    database: PgPool,
    worker: String,
}

impl Table {
    /// Beside that pool.
    pub(super) fn new(database: &PgPool, worker: String) -> Self {
        let options = PgPoolOptions::new().max_connections(1).acquire_timeout(PATIENCE);
        let options = options.after_connect(|connection, _| {
            Box::pin(async move {
                // What a crash of the server takes back is for sight only. Servers that do not know it do without.
                match sqlx::raw_sql("SET synchronous_commit = off").execute(connection).await {
                    Ok(_) | Err(sqlx::Error::Database(_)) => Ok(()),
                    Err(error) => Err(error),
                }
            })
        });
        Self { database: options.connect_lazy_with((*database.connect_options()).clone()), worker }
    }

    /// All or nothing.
    pub(super) async fn write(&self, notes: &Notes) -> Result<(), TrailError> {
        within(async {
            let mut transaction = self.database.begin().await?;
            if !notes.events.is_empty() {
                write_events(&mut transaction, &notes.events).await?;
            }
            if !notes.runs.is_empty() {
                self.write_runs(&mut transaction, &notes.runs).await?;
            }
            transaction.commit().await
        })
        .await
    }

    async fn write_runs(&self, transaction: &mut Transaction<'_, Postgres>, runs: &[RunNote]) -> sqlx::Result<()> {
        let insert = "INSERT INTO trail_runs (began_at, took_us, queue, kind, job_id, job_key, attempt, worker, verdict, \
            code, message, log, event_id, correlation_id) \
            SELECT began_at, took_us, queue, kind, job_id, job_key, attempt, $14::text, verdict, code, message, log, \
            event_id, correlation_id FROM unnest($1::timestamptz[], $2::bigint[], $3::text[], $4::text[], $5::text[], \
            $6::text[], $7::int[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[]) \
            AS new (began_at, took_us, queue, kind, job_id, job_key, attempt, verdict, code, message, log, event_id, \
            correlation_id)";
        sqlx::query(insert)
            .bind(column(runs, |run| run.began))
            .bind(column(runs, |run| run.took_us))
            .bind(column(runs, |run| run.queue.to_string()))
            .bind(column(runs, |run| run.kind.to_string()))
            .bind(column(runs, |run| run.job_id.clone()))
            .bind(column(runs, |run| run.job_key.clone()))
            .bind(column(runs, |run| run.attempt))
            .bind(column(runs, |run| run.verdict))
            .bind(column(runs, |run| run.code.clone()))
            .bind(column(runs, |run| run.message.clone()))
            .bind(column(runs, |run| run.log.clone()))
            .bind(column(runs, |run| run.event_id.clone()))
            .bind(column(runs, |run| run.correlation_id.clone()))
            .bind(&self.worker)
            .execute(&mut **transaction)
            .await?;
        Ok(())
    }

    pub(super) async fn write_gap(&self, gap: Gap) -> Result<(), TrailError> {
        let insert = "INSERT INTO trail_gaps (began_at, ended_at, worker, notes) VALUES ($1, $2, $3, $4)";
        let notes = i64::try_from(gap.notes).unwrap_or(i64::MAX);
        let insert = sqlx::query(insert).bind(gap.began).bind(gap.ended).bind(&self.worker).bind(notes);
        within(insert.execute(&self.database)).await?;
        Ok(())
    }

    /// One step of the expiry; gives whether there is more to go.
    pub(super) async fn expire(&self, before: DateTime<Utc>) -> Result<bool, TrailError> {
        let mut more = false;
        for delete in EXPIRE {
            let delete = sqlx::query(delete).bind(before).bind(i64::from(STEP));
            more |= within(delete.execute(&self.database)).await?.rows_affected() >= u64::from(STEP);
        }
        Ok(more)
    }

    pub(super) async fn close(&self) {
        // A connection that is silent would be waited for without end.
        let _ = timeout(PATIENCE / 10, self.database.close()).await;
    }
}

async fn write_events(transaction: &mut Transaction<'_, Postgres>, events: &[EventNote]) -> sqlx::Result<()> {
    let insert = "INSERT INTO trail_events (handed_off_at, consumer_group, event_id, event_source, event_type, version, \
        event_time, correlation_id, causation_id, trace_id, key, topic, record_partition, record_offset, jobs, problem) \
        SELECT handed_off_at, consumer_group, event_id, event_source, event_type, version, event_time, correlation_id, \
        causation_id, trace_id, key, topic, record_partition, record_offset, jobs, problem \
        FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[], $7::timestamptz[], \
        $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::int[], $14::bigint[], $15::text[], $16::text[]) \
        AS new (handed_off_at, consumer_group, event_id, event_source, event_type, version, event_time, correlation_id, \
        causation_id, trace_id, key, topic, record_partition, record_offset, jobs, problem)";
    sqlx::query(insert)
        .bind(column(events, |event| event.handed_off))
        .bind(column(events, |event| event.group.to_string()))
        .bind(column(events, |event| event.id.clone()))
        .bind(column(events, |event| event.source.clone()))
        .bind(column(events, |event| event.event_type.clone()))
        .bind(column(events, |event| event.version))
        .bind(column(events, |event| event.time))
        .bind(column(events, |event| event.correlation.clone()))
        .bind(column(events, |event| event.causation.clone()))
        .bind(column(events, |event| event.trace.clone()))
        .bind(column(events, |event| event.key.clone()))
        .bind(column(events, |event| event.topic.to_string()))
        .bind(column(events, |event| event.partition))
        .bind(column(events, |event| event.offset))
        .bind(column(events, |event| serde_json::to_string(&event.jobs).unwrap_or_default()))
        .bind(column(events, |event| event.problem.clone()))
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

fn column<T, C>(rows: &[T], of: impl Fn(&T) -> C) -> Vec<C> {
    rows.iter().map(of).collect()
}

/// A connection that went silent would be waited for as long as the system believes in it.
async fn within<T>(work: impl Future<Output = sqlx::Result<T>>) -> Result<T, TrailError> {
    Ok(timeout(PATIENCE, work).await.map_err(|_| TrailError::Silent(PATIENCE))??)
}
