//! A schema of a test's own in the shared PostgreSQL.

use std::{thread, time::Duration};

use sqlx::{
    AssertSqlSafe, Connection, PgConnection, PgPool, Postgres, Transaction, migrate::Migrator, postgres::PgPoolOptions,
};

use crate::{address, logs, unique};

const PATIENCE: Duration = Duration::from_mins(1);

/// A schema is tried to be dropped so often, with this between.
const TRIES: usize = 10;
const PAUSE: Duration = Duration::from_millis(500);

/// Serialises what the tests do to the catalogue; PostgreSQL lets concurrent DDL fail now and then.
const CATALOGUE_LOCK: i64 = 0x6d69_6c6c_6761_7465;

/// A schema that nobody else uses, dropped with this value.
#[derive(Debug)]
pub struct Database {
    schema: String,
    server: String,
    pool: PgPool,
}

impl Database {
    /// A new, empty schema, on which `migrations` have been run.
    ///
    /// # Panics
    /// If the server does not answer or a migration fails.
    pub async fn fresh(migrations: Option<&Migrator>) -> Self {
        logs();
        let schema = unique("test");
        let server = address::postgres_url();
        let mut connection = PgConnection::connect(&server).await.unwrap();
        change(&mut connection, format!("CREATE SCHEMA \"{schema}\"")).await.unwrap();
        connection.close().await.unwrap();
        let options = PgPoolOptions::new().max_connections(5).acquire_timeout(PATIENCE);
        let pool = options.connect(&in_schema(&server, &schema)).await.unwrap();
        if let Some(migrations) = migrations {
            migrations.run(&pool).await.unwrap();
        }
        Self { schema, server, pool }
    }

    /// The server's URL, with the schema in its options: for code and programs under test.
    pub fn url(&self) -> String {
        in_schema(&self.server, &self.schema)
    }

    /// The server's URL without the schema: for programs that make one of their own.
    pub fn server_url(&self) -> String {
        self.server.clone()
    }

    /// The same as [`url`](Self::url) by way of another address: a [`Proxy`](crate::Proxy)'s.
    pub fn url_at(&self, address: &str) -> String {
        self.url().replacen(address::host_and_port(&self.server), address, 1)
    }

    /// `host:port` of the server, for a [`Proxy`](crate::Proxy).
    pub fn address(&self) -> String {
        address::host_and_port(&self.server).to_owned()
    }

    /// The schema's name.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// Connections for the test's own questions.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }
}

async fn change(connection: &mut PgConnection, statement: String) -> sqlx::Result<()> {
    let mut transaction: Transaction<'_, Postgres> = connection.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(CATALOGUE_LOCK).execute(&mut *transaction).await?;
    // The name in it is made here, of letters, digits and dashes.
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *transaction).await?;
    transaction.commit().await
}

/// Drops a schema, in a few tries: what still locks a table of it must not keep all others from the catalogue meanwhile.
async fn remove(server: &str, schema: &str) -> sqlx::Result<()> {
    let mut connection = PgConnection::connect(server).await?;
    let drop = format!("SET LOCAL lock_timeout = '500ms'; DROP SCHEMA \"{schema}\" CASCADE");
    for _ in 1..TRIES {
        if change(&mut connection, drop.clone()).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    change(&mut connection, drop).await
}

/// `search_path` reaches every connection, whoever opens it.
fn in_schema(server: &str, schema: &str) -> String {
    let mark = if server.contains('?') { '&' } else { '?' };
    format!("{server}{mark}options=-csearch_path%3D%22{schema}%22")
}

impl Drop for Database {
    fn drop(&mut self) {
        let (server, schema) = (self.server.clone(), self.schema.clone());
        // The test's runtime cannot be waited on here, and may be going away.
        let cleaning = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            // A table that some connection still locks stays: better than a test that hangs at its end.
            let _ = runtime.block_on(async { tokio::time::timeout(PATIENCE, remove(&server, &schema)).await });
        });
        let _ = cleaning.join();
    }
}
