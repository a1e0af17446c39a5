//! The tables of streams, which only applications with streams have.

use std::sync::LazyLock;

use sqlx::{
    PgPool,
    migrate::{MigrateError, Migrator},
};

/// Noted in a table of their own, beside those of millgate and of the application.
static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrations = sqlx::migrate!();
    migrations.dangerous_set_table_name("millgate_stream_migrations");
    migrations
});

/// Creates the tables in the schema that this pool's connections are in, or brings them up to date. Gives how many migrations
/// there are. `millgate migrate` does it where an application has streams.
pub async fn migrate(database: &PgPool) -> Result<usize, MigrateError> {
    MIGRATIONS.run(database).await?;
    Ok(MIGRATIONS.iter().count())
}
