//! The relay's own connection to the outbox: who has its lock publishes.

use std::time::Duration;

use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use tokio::time::timeout;

use super::{OutboxError, row::Row};

/// A batch is there in milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// What has to look past all that cannot go, which may be gigabytes.
const LONG_PATIENCE: Duration = Duration::from_mins(2);

/// Of the session. A delete that a crash of the server takes back lets events be published again, which they may be. A
/// relay that froze, or whose machine is gone, does not keep the lock. Servers that do not know one of these do without.
const SETTINGS: [&str; 5] = [
    "SET synchronous_commit = off",
    "SET idle_session_timeout = '20s'",
    "SET tcp_keepalives_idle = 5",
    "SET tcp_keepalives_interval = 2",
    "SET tcp_keepalives_count = 3",
];

/// Bytes of payloads in a batch, as PostgreSQL stores them; a larger one goes by itself.
const BYTES: i64 = 16 * 1024 * 1024;

/// The oldest rows, as many of them as are not too large together. Sizes are known without reading what is large.
const FETCH: &str = "SELECT position, id, topic, key, type, payload::text AS payload, headers::text AS headers, created, \
    tries FROM (SELECT r.*, SUM(size) OVER (ORDER BY position) - size AS before FROM ( \
        SELECT o.position, o.id, COALESCE(o.topic, o.type) AS topic, COALESCE(o.key, o.aggregateid) AS key, o.type, \
        o.payload, o.headers, o.created, s.tries, COALESCE(pg_column_size(o.payload), 0) AS size \
        FROM outbox AS o LEFT JOIN outbox_stuck AS s \
        ON s.topic = COALESCE(o.topic, o.type) AND s.key = COALESCE(o.key, o.aggregateid) \
        WHERE COALESCE(o.topic, o.type) <> ALL($1) AND (s.key IS NULL OR s.next_try <= now()) \
        ORDER BY o.position LIMIT $2) AS r) AS r \
    WHERE before < $3 ORDER BY position";

const REFUSE: &str = "INSERT INTO outbox_stuck (topic, key, position, tries, error, next_try) \
    VALUES ($1, $2, $3, $4, $5, now() + $6 * INTERVAL '1 second') \
    ON CONFLICT (topic, key) DO UPDATE SET position = EXCLUDED.position, tries = EXCLUDED.tries, \
    error = EXCLUDED.error, next_try = EXCLUDED.next_try";

pub(super) struct Table(PgConnection);

impl Table {
    /// Connects beside the pool: its lock must not wander.
    pub(super) async fn connect(database: &PgPool) -> Result<Self, OutboxError> {
        let options = database.connect_options();
        let mut connection = within(PgConnection::connect_with(&options)).await?;
        for setting in SETTINGS {
            match within(sqlx::raw_sql(AssertSqlSafe(setting)).execute(&mut connection)).await {
                Ok(_) | Err(OutboxError::Database(sqlx::Error::Database(_))) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self(connection))
    }

    /// Takes the lock of this schema's outbox, unless another relay has it. It is kept until the connection ends.
    pub(super) async fn try_lock(&mut self) -> Result<bool, OutboxError> {
        let schema: Option<String> =
            within(sqlx::query_scalar("SELECT current_schema()::text").fetch_one(&mut self.0)).await?;
        let hash = Sha256::digest(format!("millgate outbox of {}", schema.unwrap_or_default()));
        let key = hash.iter().take(8).fold(0_i64, |key, byte| (key << 8) | i64::from(*byte));
        within(sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(key).fetch_one(&mut self.0)).await
    }

    /// The oldest events that may go, without those of `closed` topics.
    pub(super) async fn fetch(&mut self, closed: &[&str], most: u32) -> Result<Vec<Row>, OutboxError> {
        let fetch = sqlx::query_as(FETCH).bind(closed).bind(i64::from(most)).bind(BYTES);
        no_longer_than(LONG_PATIENCE, fetch.fetch_all(&mut self.0)).await
    }

    /// Removes what is published; with `recovered`, also the word that it was refused.
    pub(super) async fn remove(&mut self, published: &[i64], recovered: bool) -> Result<(), OutboxError> {
        within(sqlx::query("DELETE FROM outbox WHERE position = ANY($1)").bind(published).execute(&mut self.0)).await?;
        if recovered {
            let unstick = "DELETE FROM outbox_stuck WHERE position = ANY($1)";
            within(sqlx::query(unstick).bind(published).execute(&mut self.0)).await?;
        }
        Ok(())
    }

    /// Notes that an event was refused for the `tries`-th time; without a `pause` it is not tried again.
    pub(super) async fn refuse(
        &mut self,
        row: &Row,
        tries: i32,
        error: &str,
        pause: Option<Duration>,
    ) -> Result<(), OutboxError> {
        let refuse = sqlx::query(REFUSE)
            .bind(&row.topic)
            .bind(&row.key)
            .bind(row.position)
            .bind(tries)
            .bind(error)
            .bind(pause.map(|pause| pause.as_secs_f64()));
        within(refuse.execute(&mut self.0)).await?;
        Ok(())
    }

    /// Forgets that keys are stuck whose event somebody has removed, and rows of the inbox, and replies of steps of sagas,
    /// that are older than `age`.
    pub(super) async fn tidy(&mut self, age: Duration) -> Result<(), OutboxError> {
        // One look into the index for each, however much there is to publish.
        let gone =
            "DELETE FROM outbox_stuck AS s WHERE NOT EXISTS (SELECT FROM outbox AS o WHERE o.position = s.position)";
        no_longer_than(LONG_PATIENCE, sqlx::query(gone).execute(&mut self.0)).await?;
        for old in [
            "DELETE FROM inbox WHERE processed_at < now() - $1 * INTERVAL '1 second'",
            "DELETE FROM saga_replies WHERE replied_at < now() - $1 * INTERVAL '1 second'",
        ] {
            no_longer_than(LONG_PATIENCE, sqlx::query(old).bind(age.as_secs_f64()).execute(&mut self.0)).await?;
        }
        Ok(())
    }
}

/// A connection that went silent would be waited for as long as the system believes in it.
async fn within<T>(work: impl Future<Output = sqlx::Result<T>>) -> Result<T, OutboxError> {
    no_longer_than(PATIENCE, work).await
}

async fn no_longer_than<T>(patience: Duration, work: impl Future<Output = sqlx::Result<T>>) -> Result<T, OutboxError> {
    Ok(timeout(patience, work).await.map_err(|_| OutboxError::Silent(patience))??)
}
