//! The trail of a bench's processes, in a schema of its own.

use millgate_events::{Trail, TrailConfig};
use serde::{Deserialize, Serialize};
use sqlx::AssertSqlSafe;

use crate::{config::PostgresConfig, servers::pool};

/// Where they take notes, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct BenchTrail {
    postgres: PostgresConfig,
    config: TrailConfig,
}

/// What was noted.
pub(super) struct Noted {
    pub(super) events: i64,
    pub(super) runs: i64,
    /// Notes for which there was no room.
    pub(super) dropped: i64,
}

impl BenchTrail {
    /// Makes the schema and its tables.
    pub(super) async fn open(postgres: &PostgresConfig, config: &TrailConfig) -> anyhow::Result<Self> {
        let schema = format!("bench_{}", uuid::Uuid::new_v4().simple());
        let trail = Self { postgres: PostgresConfig { schema, ..postgres.clone() }, config: config.clone() };
        trail.run(format!("CREATE SCHEMA {}", trail.postgres.schema)).await?;
        millgate_events::migrate(&pool(&trail.postgres)?).await?;
        Ok(trail)
    }

    /// What a process of the bench takes notes with.
    pub(super) fn start(&self) -> anyhow::Result<Trail> {
        Ok(Trail::start(&pool(&self.postgres)?, &self.config, format!("bench/{}", std::process::id())))
    }

    pub(super) async fn noted(&self) -> anyhow::Result<Noted> {
        let (events, runs, dropped) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM trail_events), (SELECT count(*) FROM trail_runs), \
             (SELECT coalesce(sum(notes), 0)::bigint FROM trail_gaps)",
        )
        .fetch_one(&pool(&self.postgres)?)
        .await?;
        Ok(Noted { events, runs, dropped })
    }

    pub(super) async fn close(&self) -> anyhow::Result<()> {
        self.run(format!("DROP SCHEMA IF EXISTS {} CASCADE", self.postgres.schema)).await
    }

    async fn run(&self, sql: String) -> anyhow::Result<()> {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&pool(&self.postgres)?).await?;
        Ok(())
    }
}
