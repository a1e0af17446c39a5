//! States of aggregates, loaded from where they were kept, and kept.

use std::fmt::Display;

use futures::TryStreamExt;
use sqlx::{AssertSqlSafe, PgPool, Row};
use tracing::warn;

use super::{Aggregate, COLUMNS, Loaded, StoreError, StoredEvent, StreamId};

/// The snapshot first, as an event of no type, then what came after it.
fn load_sql() -> String {
    format!(
        "WITH snapshot AS (SELECT version, data FROM store_snapshots WHERE stream = $1 AND shape = $2) \
        SELECT 0::bigint AS position, ''::text AS stream, version, '00000000-0000-0000-0000-000000000000'::uuid AS id, \
        NULL::text AS type, 0 AS type_version, data::text AS data, NULL::text AS metadata, now() AS time FROM snapshot \
        UNION ALL SELECT {COLUMNS} FROM store_events WHERE stream = $1 \
        AND version > COALESCE((SELECT version FROM snapshot), 0) ORDER BY version"
    )
}

/// Loads an aggregate: from its snapshot, if there is one that fits.
pub(super) async fn load<A: Aggregate>(database: &PgPool, stream: &StreamId) -> Result<Loaded<A>, StoreError> {
    // One statement: what is appended in between is in both parts, or in neither.
    match read::<A>(database, stream, A::SNAPSHOTS.shape).await? {
        Some(loaded) => Ok(loaded),
        // The snapshot cannot be read. No snapshot has shape 0.
        None => Ok(read(database, stream, 0).await?.unwrap_or_else(empty)),
    }
}

fn empty<A: Aggregate>() -> Loaded<A> {
    Loaded { state: A::default(), version: 0, snapshot: 0 }
}

async fn read<A: Aggregate>(database: &PgPool, stream: &StreamId, shape: i32) -> Result<Option<Loaded<A>>, StoreError> {
    let shape = if A::SNAPSHOTS.every == 0 { 0 } else { shape };
    let sql = load_sql();
    let mut rows = sqlx::query(AssertSqlSafe(sql)).bind(stream.name()).bind(shape).fetch(database);
    let mut loaded = empty::<A>();
    while let Some(row) = rows.try_next().await? {
        if row.try_get::<Option<&str>, _>("type")?.is_none() {
            match serde_json::from_str(row.try_get("data")?) {
                Ok(state) => loaded.state = state,
                Err(error) => {
                    warn!(%stream, %error, "the snapshot has another shape, and is not read; raise Snapshots::shape with each change");
                    return Ok(None);
                }
            }
            loaded.snapshot = row.try_get("version")?;
            loaded.version = loaded.snapshot;
            continue;
        }
        let event: StoredEvent = sqlx::FromRow::from_row(&row)?;
        let Some(known) = event.decode::<A::Event>()? else {
            return Err(StoreError::Decode {
                id: event.id,
                stream: event.stream,
                version: event.version,
                source: crate::DecodeError::UnknownType(event.event_type),
            });
        };
        loaded.state.apply(&known);
        loaded.version = event.version;
    }
    Ok(Some(loaded))
}

/// Keeps a state if enough has happened since the last one. That it cannot is no reason to fail.
pub(super) async fn keep<A: Aggregate>(database: &PgPool, stream: &StreamId, loaded: &mut Loaded<A>) {
    let every = A::SNAPSHOTS.every;
    if every == 0 || loaded.version - loaded.snapshot < every {
        return;
    }
    let told = |error: &dyn Display| warn!(%stream, %error, "no snapshot is taken; more events are read each time");
    let data = match serde_json::to_string(&loaded.state) {
        Ok(data) => data,
        Err(error) => return told(&error),
    };
    let keep = "INSERT INTO store_snapshots (stream, shape, version, data) VALUES ($1, $2, $3, $4::json) \
        ON CONFLICT (stream, shape) DO UPDATE SET version = EXCLUDED.version, data = EXCLUDED.data, taken = now() \
        WHERE store_snapshots.version < EXCLUDED.version";
    let keep = sqlx::query(keep).bind(stream.name()).bind(A::SNAPSHOTS.shape).bind(loaded.version).bind(data);
    match keep.execute(database).await {
        Ok(_) => loaded.snapshot = loaded.version,
        Err(error) => told(&error),
    }
}
