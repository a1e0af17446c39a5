//! Millgate's own tables, which every application has: dead letters, outbox, inbox.

use std::sync::LazyLock;

use sqlx::{
    PgPool,
    migrate::{MigrateError, Migrator},
};

/// Noted in a table of their own: an application counts its migrations from 1, too.
static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrations = sqlx::migrate!();
    migrations.dangerous_set_table_name("millgate_migrations");
    migrations
});

/// Creates the tables in the schema that this pool's connections are in, or brings them up to date. Gives how many
/// migrations there are. `millgate migrate` does it.
pub async fn migrate(database: &PgPool) -> Result<usize, MigrateError> {
    MIGRATIONS.run(database).await?;
    Ok(MIGRATIONS.iter().count())
}
