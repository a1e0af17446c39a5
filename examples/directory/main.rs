//! A directory that follows another service's table of users, as Debezium tells of its changes. `docs/changes.md` tells of it, and how
//! Debezium is set up.
//!
//! `cargo run --example directory -- migrate`, `… -- topics apply`; then `… -- streams run` and `… -- relay`, each as a process.

use std::{process::ExitCode, sync::LazyLock};

use millgate::{
    App, Event,
    streams::{
        Resources, StageError,
        changes::{Change, Changes, Current, Op, RowKey, Sink},
    },
};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, migrate::Migrator};

/// Counted in a table of its own, so that other applications can be tried in the same database.
static TABLES: LazyLock<Migrator> = LazyLock::new(|| {
    let mut tables = sqlx::migrate!("examples/directory");
    tables.dangerous_set_table_name("directory_migrations");
    tables
});

/// A row of theirs; columns that are not wanted are left out.
#[derive(Deserialize)]
struct User {
    id: i64,
    name: String,
    email: String,
}

/// Somebody goes by another name.
#[derive(Serialize, Deserialize, Event)]
#[event(type = "user.renamed", key = "id")]
struct UserRenamed {
    id: i64,
    to: String,
}

/// A table of our own that follows theirs.
struct Directory;

impl Sink<User> for Directory {
    async fn upsert(&self, rows: &[Current<'_, User>], database: &mut PgConnection) -> Result<(), StageError> {
        let (ids, names): (Vec<i64>, Vec<String>) =
            rows.iter().map(|current| (current.row.id, current.row.name.clone())).unzip();
        sqlx::query(
            "INSERT INTO directory (id, name) SELECT * FROM unnest($1::bigint[], $2::text[]) \
             ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name",
        )
        .bind(ids)
        .bind(names)
        .execute(database)
        .await?;
        Ok(())
    }

    async fn delete(&self, keys: &[RowKey], database: &mut PgConnection) -> Result<(), StageError> {
        let ids = keys.iter().map(RowKey::read::<i64>).collect::<Result<Vec<_>, _>>()?;
        sqlx::query("DELETE FROM directory WHERE id = ANY($1)").bind(ids).execute(database).await?;
        Ok(())
    }
}

fn renamed(change: &Change<User>) -> Option<UserRenamed> {
    let (before, after) = (change.before.as_ref()?, change.after.as_ref()?);
    (change.op == Op::Update && before.name != after.name).then(|| UserRenamed { id: after.id, to: after.name.clone() })
}

/// What is put before the keys of Redis; for a Redis that others use, too.
fn prefix() -> String {
    std::env::var("DIRECTORY_PREFIX").unwrap_or_default()
}

fn main() -> ExitCode {
    App::new("directory")
        .migrations(&TABLES)
        .stream(|resources: &Resources| {
            let prefix = prefix();
            Changes::<User>::of("dbserver1.public.users")
                .replica_identity_full()
                // Both keys, where the address has changed.
                .invalidate(move |change| {
                    change.rows().map(|user| format!("{prefix}user:{}", user.email)).collect::<Vec<_>>()
                })
                .sink(Directory)
                .publish(renamed)
                .stream("users", resources)
        })
        .main()
}
