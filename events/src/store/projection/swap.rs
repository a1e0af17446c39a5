//! A build that has caught up takes the place of the one that everybody reads.

use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tokio::time::sleep;
use tracing::info;

use super::{ProjectionState, build, follower::Follower, row::Build};
use crate::store::{StoreError, reader};

/// Batches that may come meanwhile. If more do, it is not time yet.
const BATCHES: usize = 10;
/// Time for those who read, between two tries.
const READERS: Duration = Duration::from_secs(2);

/// Puts the tables of the build in the place of the live ones: in one transaction, in which nothing is missing. False: not yet.
pub(super) async fn swap(follower: &Follower, database: &mut PgConnection) -> Result<bool, StoreError> {
    match try_swap(follower, database).await {
        // Somebody reads the old tables for long, or works on them. Those who come later must not wait for that.
        Err(StoreError::Database(sqlx::Error::Database(error))) if error.code().as_deref() == Some("55P03") => {
            info!(projection = follower.projection.name(), "it is built, and waits for those who read the old tables");
            // What the transaction has locked is let go with its rollback, which goes with the next statement.
            database.ping().await?;
            sleep(READERS).await;
            Ok(false)
        }
        swapped => swapped,
    }
}

async fn try_swap(follower: &Follower, database: &mut PgConnection) -> Result<bool, StoreError> {
    let name = follower.projection.name();
    let mut transaction = database.begin().await?;
    build::run(&mut transaction, "SET LOCAL lock_timeout = '5s'".to_owned()).await?;
    // Whoever puts events into the old tables waits, and finds that they are gone.
    let live = Build::lock(&mut transaction, name, ProjectionState::Live).await?;
    let (Some(live), Some(mut building)) =
        (live, Build::lock(&mut transaction, name, ProjectionState::Building).await?)
    else {
        return Ok(false);
    };
    if building.version != follower.projection.version() || building.replay != follower.replay {
        return Ok(false);
    }
    let base = build::base(&mut transaction).await?;
    build::search(&mut transaction, &building.tables_in).await?;
    let mut batches = 0;
    loop {
        let horizon = reader::horizon(&mut transaction).await?;
        if horizon <= building.position {
            break;
        }
        batches += 1;
        if batches > BATCHES {
            transaction.commit().await?;
            return Ok(false);
        }
        let applied = follower.apply(&mut transaction, &mut building, horizon, follower.batch_size).await;
        applied.map_err(|(_, error)| error)?;
    }
    // Nobody who reads goes back in time.
    if building.position < live.position {
        transaction.commit().await?;
        return Ok(false);
    }
    // Whoever reads the old tables from now on waits for as long as this does.
    build::run(&mut transaction, "SET LOCAL lock_timeout = '200ms'".to_owned()).await?;
    build::drop_tables(&mut transaction, name, &live).await?;
    build::publish(&mut transaction, name, &building.tables_in, &base, &building.tables).await?;
    let remove = "DELETE FROM store_projections WHERE name = $1 AND build = $2";
    sqlx::query(remove).bind(name).bind(live.number).execute(&mut *transaction).await?;
    let put = "UPDATE store_projections SET state = 'live', tables_in = $3, error = NULL, replay = NULL WHERE name = $1 AND build = $2";
    sqlx::query(put).bind(name).bind(building.number).bind(&base).execute(&mut *transaction).await?;
    sqlx::query("SELECT pg_notify('millgate_store', '')").execute(&mut *transaction).await?;
    transaction.commit().await?;
    info!(
        projection = name,
        build = building.number,
        version = building.version,
        "its new tables are those that are read"
    );
    Ok(true)
}
