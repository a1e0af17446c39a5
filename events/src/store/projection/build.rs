//! Tables of a build: made in a schema of their own, from where they go to where everybody reads them.

use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::{ProjectionState, erased::AnyProjection, row::Build};
use crate::store::StoreError;

/// Makes the tables of a new build: the first one of a projection is live at once, others are made beside that. Gives its number;
/// `None`: one is being made already. One of a replay is made beside others only.
pub(super) async fn begin(
    database: &mut PgConnection,
    projection: &dyn AnyProjection,
    replay: Option<&str>,
) -> Result<Option<i64>, StoreError> {
    let name = projection.name();
    let wrong = |reason: String| StoreError::Projection { name: name.to_owned(), reason };
    let mut transaction = database.begin().await?;
    // Others who want the same wait here, and then find this one.
    let insert = "INSERT INTO store_projections (name, build, version, state, tables, tables_in, replay) \
        SELECT $1, COALESCE(max(build), 0) + 1, $2, CASE WHEN bool_or(state = 'live') THEN 'building' ELSE 'live' END, \
        '{}', '', $3 FROM store_projections WHERE name = $1 ON CONFLICT DO NOTHING RETURNING build, state";
    let inserted: Option<(i64, ProjectionState)> = sqlx::query_as(insert)
        .bind(name)
        .bind(projection.version())
        .bind(replay)
        .fetch_optional(&mut *transaction)
        .await?;
    let Some((build, state)) = inserted else { return Ok(None) };
    if replay.is_some() && state == ProjectionState::Live {
        return Err(wrong("it has no tables yet: `millgate projections run` makes and fills them".to_owned()));
    }
    let base = base(&mut transaction).await?;
    let schema = schema(&base, name, build);
    run(&mut transaction, format!("CREATE SCHEMA {}", quoted(&schema))).await?;
    search(&mut transaction, &schema).await?;
    let created = projection.create(&mut transaction).await;
    created.map_err(|error| wrong(format!("its tables cannot be created: {error}")))?;
    let tables = tables(&mut transaction, &schema).await?;
    let others = others(&mut transaction, &schema).await?;
    if !others.is_empty() {
        let others = others.join(", ");
        return Err(wrong(format!("it can only make tables and what belongs to them; make elsewhere: {others}")));
    }
    let tables_in = match state {
        ProjectionState::Building => &schema,
        ProjectionState::Live => {
            publish(&mut transaction, name, &schema, &base, &tables).await?;
            &base
        }
    };
    let note = "UPDATE store_projections SET tables = $3, tables_in = $4 WHERE name = $1 AND build = $2";
    sqlx::query(note).bind(name).bind(build).bind(&tables).bind(tables_in).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(Some(build))
}

/// Removes the build that is under way, if there is one; with a `version` only one of a lower version.
pub(super) async fn abandon(database: &mut PgConnection, name: &str, version: Option<i32>) -> Result<(), StoreError> {
    let mut transaction = database.begin().await?;
    let Some(build) = Build::lock(&mut transaction, name, ProjectionState::Building).await? else { return Ok(()) };
    if version.is_some_and(|version| build.version >= version) {
        return Ok(());
    }
    run(&mut transaction, format!("DROP SCHEMA IF EXISTS {} CASCADE", quoted(&build.tables_in))).await?;
    // The next build has the same number.
    for forget in [
        "DELETE FROM store_projections WHERE name = $1 AND build = $2",
        "DELETE FROM store_skips WHERE projection = $1 AND build = $2",
    ] {
        sqlx::query(forget).bind(name).bind(build.number).execute(&mut *transaction).await?;
    }
    Ok(transaction.commit().await?)
}

/// Removes a projection, and all of its tables.
pub(super) async fn remove(database: &mut PgConnection, name: &str) -> Result<bool, StoreError> {
    abandon(database, name, None).await?;
    let mut transaction = database.begin().await?;
    let Some(live) = Build::lock(&mut transaction, name, ProjectionState::Live).await? else { return Ok(false) };
    drop_tables(&mut transaction, name, &live).await?;
    for forget in ["DELETE FROM store_projections WHERE name = $1", "DELETE FROM store_skips WHERE projection = $1"] {
        sqlx::query(forget).bind(name).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(true)
}

/// Removes the tables of a build.
pub(super) async fn drop_tables(database: &mut PgConnection, name: &str, build: &Build) -> Result<(), StoreError> {
    if build.tables.is_empty() {
        return Ok(());
    }
    let schema = quoted(&build.tables_in);
    let tables: Vec<String> = build.tables.iter().map(|table| format!("{schema}.{}", quoted(table))).collect();
    let removed = run(database, format!("DROP TABLE IF EXISTS {}", tables.join(", "))).await;
    removed.map_err(|error| explained(name, error))
}

/// Moves tables to where everybody reads them, and removes their schema.
pub(super) async fn publish(
    database: &mut PgConnection,
    name: &str,
    schema: &str,
    base: &str,
    tables: &[String],
) -> Result<(), StoreError> {
    for table in tables {
        let moving = format!("ALTER TABLE {}.{} SET SCHEMA {}", quoted(schema), quoted(table), quoted(base));
        run(database, moving).await.map_err(|error| explained(name, error))?;
    }
    run(database, format!("DROP SCHEMA {}", quoted(schema))).await.map_err(|error| explained(name, error))
}

/// What PostgreSQL says of tables that cannot take the place of others, with what to do.
pub(super) fn explained(name: &str, error: StoreError) -> StoreError {
    let StoreError::Database(sqlx::Error::Database(said)) = &error else { return error };
    let advice = match said.code().as_deref() {
        Some("42P07") => "a table of that name is there, and is of no projection: remove or rename it",
        Some("2BP01") => {
            "something hangs on its tables: a view, a foreign key; let that be made by the projection, too, or remove it"
        }
        _ => return error,
    };
    let detail = said.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().and_then(|said| said.detail());
    let reason = format!("{} ({}); {advice}", said.message(), detail.unwrap_or("no more is known"));
    StoreError::Projection { name: name.to_owned(), reason }
}

/// Lets statements of this transaction find tables of a build before those of everybody.
pub(super) async fn search(database: &mut PgConnection, schema: &str) -> Result<(), StoreError> {
    let set = "SELECT set_config('search_path', quote_ident($1) || ', ' || current_setting('search_path'), true)";
    sqlx::query(set).bind(schema).execute(database).await?;
    Ok(())
}

/// The schema that everybody reads.
pub(super) async fn base(database: &mut PgConnection) -> Result<String, StoreError> {
    let schema: Option<String> = sqlx::query_scalar("SELECT current_schema()::text").fetch_one(database).await?;
    Ok(schema.unwrap_or_else(|| "public".to_owned()))
}

pub(super) fn quoted(name: &str) -> String {
    // Quoted, with its quotes doubled, it can only be a name.
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Statements on schemas and tables, whose names cannot be parameters.
pub(super) async fn run(database: &mut PgConnection, statement: String) -> Result<(), StoreError> {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(database).await?;
    Ok(())
}

/// The schema of a build. Names of schemas are those of the whole database, and 63 bytes long at most.
fn schema(base: &str, name: &str, build: i64) -> String {
    let hash = Sha256::digest(base).iter().take(4).fold(0_u32, |hash, byte| (hash << 8) | u32::from(*byte));
    format!("{name}_{build}_{hash:08x}")
}

async fn tables(database: &mut PgConnection, schema: &str) -> Result<Vec<String>, StoreError> {
    let tables = "SELECT c.relname::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace \
        WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY c.relname";
    Ok(sqlx::query_scalar(tables).bind(schema).fetch_all(database).await?)
}

/// What would not go along with the tables.
async fn others(database: &mut PgConnection, schema: &str) -> Result<Vec<String>, StoreError> {
    let others = "SELECT 'view or sequence ' || c.relname FROM pg_class AS c \
        WHERE c.relnamespace = to_regnamespace(quote_ident($1)) AND (c.relkind IN ('v', 'm', 'f') OR c.relispartition \
            OR (c.relkind = 'S' AND NOT EXISTS (SELECT 1 FROM pg_depend AS d \
                WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')))) \
        UNION ALL SELECT 'function ' || p.proname FROM pg_proc AS p WHERE p.pronamespace = to_regnamespace(quote_ident($1)) \
        UNION ALL SELECT 'type ' || t.typname FROM pg_type AS t \
            WHERE t.typnamespace = to_regnamespace(quote_ident($1)) AND t.typtype IN ('e', 'd')";
    Ok(sqlx::query_scalar(others).bind(schema).fetch_all(database).await?)
}
