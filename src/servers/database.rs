//! PostgreSQL: the way there, its tables, and whether they are.

use std::{str::FromStr, time::Duration};

use anyhow::Context;
use millgate_events::DeadLetterError;
use millgate_workers::email::Suppressions;
use sqlx::{
    Connection, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tracing::error;

use super::Servers;
use crate::config::PostgresConfig;

impl Servers {
    /// Asks PostgreSQL for its version on a connection of its own: the pool would only say that it waited in vain.
    pub(crate) async fn postgres_version(&self) -> anyhow::Result<String> {
        let options = self.database.connect_options();
        let connect = PgConnection::connect_with(&options);
        let connected = tokio::time::timeout(self.config.postgres.connect_timeout, connect);
        let advice = "PostgreSQL cannot be used; is it up, and postgres.url (MILLGATE_POSTGRES_URL) right?";
        let mut connection =
            connected.await.context("no answer within postgres.connect_timeout").context(advice)?.context(advice)?;
        Ok(sqlx::query_scalar("SHOW server_version").fetch_one(&mut connection).await?)
    }

    /// Creates the schema and the tables.
    pub(crate) async fn migrate(&self) -> anyhow::Result<usize> {
        let Some(letters) = &self.letters else { return Ok(0) };
        self.postgres_version().await?;
        let schema = &self.config.postgres.schema;
        if schema != "public" {
            // A name cannot be a parameter; quoted, with its quotes doubled, it can only be a name.
            let create = format!("CREATE SCHEMA IF NOT EXISTS \"{}\"", schema.replace('"', "\"\""));
            sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&self.database).await?;
        }
        let own = letters.migrate().await? + Suppressions::new(self.database.clone()).migrate().await?;
        let own = own + if self.has_streams() { millgate_streams::migrate(&self.database).await? } else { 0 };
        let Some(migrations) = self.migrations else { return Ok(own) };
        migrations.run(&self.database).await.context("a migration failed; nothing of it was kept")?;
        Ok(own + migrations.iter().count())
    }

    /// Looks, as soon as PostgreSQL answers, whether there is a table for the dead, and says so before the first death.
    pub(crate) fn check_dead_letters(&self) {
        let Some(letters) = self.letters.clone() else { return };
        tokio::spawn(async move {
            while let Err(error) = letters.check().await {
                if let DeadLetterError::NoTable = error {
                    return error!(%error, "what dies will wait: in Redis, or with its partition");
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
    }
}

/// Connections that are made when they are first used.
pub(crate) fn pool(config: &PostgresConfig) -> anyhow::Result<PgPool> {
    let wrong = "postgres.url cannot be read; it looks like postgres://user:password@127.0.0.1:5432/database";
    let mut options = PgConnectOptions::from_str(&config.url).context(wrong)?.application_name("millgate");
    if config.schema != "public" {
        options = options.options([("search_path", &config.schema)]);
    }
    let pool = PgPoolOptions::new().max_connections(config.pool_size).acquire_timeout(config.connect_timeout);
    Ok(pool.connect_lazy_with(options))
}
