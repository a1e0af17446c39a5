//! How far a projection is: its row, which is the lock of whoever works on it, too.

use sqlx::{FromRow, PgConnection};

use super::ProjectionState;
use crate::store::StoreError;

/// One build of a projection: one set of tables.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Build {
    #[sqlx(rename = "build")]
    pub(super) number: i64,
    pub(super) version: i32,
    pub(super) tables: Vec<String>,
    pub(super) tables_in: String,
    pub(super) position: i64,
    /// That makes it, rather than a runner.
    pub(super) replay: Option<String>,
}

const COLUMNS: &str = "build, version, tables, tables_in, position, replay";

impl Build {
    /// The one of that state and, while it is built, replay (none: the runners'), and its lock until the transaction ends; `None`: there
    /// is none, or somebody else works on it.
    pub(super) async fn try_lock(
        database: &mut PgConnection,
        name: &str,
        state: ProjectionState,
        replay: Option<&str>,
    ) -> Result<Option<Self>, StoreError> {
        let lock = format!(
            "SELECT {COLUMNS} FROM store_projections WHERE name = $1 AND state = $2 \
            AND (state = 'live' OR replay IS NOT DISTINCT FROM $3) FOR UPDATE SKIP LOCKED"
        );
        let lock = sqlx::query_as(sqlx::AssertSqlSafe(lock)).bind(name).bind(state.name()).bind(replay);
        Ok(lock.fetch_optional(database).await?)
    }

    /// The same, waiting for whoever has the lock; without a lock: `None` waits for nobody.
    pub(super) async fn lock(
        database: &mut PgConnection,
        name: &str,
        state: ProjectionState,
    ) -> Result<Option<Self>, StoreError> {
        let lock = format!("SELECT {COLUMNS} FROM store_projections WHERE name = $1 AND state = $2 FOR UPDATE");
        let lock = sqlx::query_as(sqlx::AssertSqlSafe(lock)).bind(name).bind(state.name());
        Ok(lock.fetch_optional(database).await?)
    }

    /// All of a projection, as they are now, without a lock: the live one first.
    pub(super) async fn all(database: &mut PgConnection, name: &str) -> Result<Vec<(String, Self)>, StoreError> {
        let all = format!("SELECT state, {COLUMNS} FROM store_projections WHERE name = $1 ORDER BY state DESC");
        let rows = sqlx::query(sqlx::AssertSqlSafe(all)).bind(name).fetch_all(database).await?;
        rows.iter().map(|row| Ok((sqlx::Row::try_get(row, "state")?, Self::from_row(row)?))).collect()
    }

    /// Notes that everything up to a position is in the tables.
    pub(super) async fn advance(
        &mut self,
        database: &mut PgConnection,
        name: &str,
        position: i64,
        applied: i64,
    ) -> Result<(), StoreError> {
        let advance = "UPDATE store_projections SET position = $3, applied = applied + $4, moved = now(), error = NULL, \
            failed_position = NULL, failed_at = NULL WHERE name = $1 AND build = $2";
        let advance = sqlx::query(advance).bind(name).bind(self.number).bind(position).bind(applied);
        advance.execute(database).await?;
        self.position = position;
        Ok(())
    }

    /// Notes that nothing keeps it from going on, if something did.
    pub(super) async fn go_on(&self, database: &mut PgConnection, name: &str) -> Result<(), StoreError> {
        let go_on = "UPDATE store_projections SET error = NULL, failed_position = NULL, failed_at = NULL \
            WHERE name = $1 AND build = $2 AND error IS NOT NULL";
        sqlx::query(go_on).bind(name).bind(self.number).execute(database).await?;
        Ok(())
    }

    /// Notes why it stands still, unless it has gone on meanwhile.
    pub(super) async fn fail(
        database: &mut PgConnection,
        name: &str,
        (state, replay): (ProjectionState, Option<&str>),
        (position, error): (Option<i64>, &str),
    ) -> Result<(), StoreError> {
        // An event that cannot be applied still cannot, though PostgreSQL was away since.
        let fail = "UPDATE store_projections SET error = $3, failed_position = COALESCE($4, failed_position), failed_at = now() \
            WHERE name = $1 AND state = $2 AND ($4 IS NULL OR position < $4) \
            AND (state = 'live' OR replay IS NOT DISTINCT FROM $5)";
        let fail = sqlx::query(fail).bind(name).bind(state.name()).bind(error).bind(position);
        fail.bind(replay).execute(database).await?;
        Ok(())
    }
}
