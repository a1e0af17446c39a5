//! What puts events into the tables of one build, a transaction at a time.

use std::{sync::Arc, time::Instant};

use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use tokio::sync::watch;

use super::{ProjectionState, build, erased::AnyProjection, metrics, row::Build, swap};
use crate::store::{StoreError, StoredEvent, reader};

/// Of the session. What a crash of the server takes back, rows and position together, is put in again. One that froze, or whose machine is gone, does not keep its lock. Read committed: what is read after the horizon is
/// known has to be newer than that.
const SETTINGS: [&str; 6] = [
    "SET synchronous_commit = off",
    "SET default_transaction_isolation = 'read committed'",
    "SET idle_in_transaction_session_timeout = '60s'",
    "SET tcp_keepalives_idle = 5",
    "SET tcp_keepalives_interval = 2",
    "SET tcp_keepalives_count = 3",
];

/// What came of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// There may be more to do at once.
    Moved,
    /// There is no more.
    CaughtUp,
    /// There is no such build, or somebody else works on it now.
    Nothing,
    /// It is of another version than this program's.
    Other,
}

pub(super) struct Follower {
    pub(super) database: PgPool,
    pub(super) projection: Arc<dyn AnyProjection>,
    pub(super) state: ProjectionState,
    /// Whose build it is; `None`: the runners'.
    pub(super) replay: Option<String>,
    pub(super) batch_size: u32,
    /// Told with every event.
    pub(super) turned: watch::Sender<Instant>,
    connection: Option<PgConnection>,
    /// Events before one that fails: they are applied without it first.
    good: Option<u32>,
}

impl Follower {
    pub(super) fn new(
        database: PgPool,
        projection: Arc<dyn AnyProjection>,
        state: ProjectionState,
        batch_size: u32,
    ) -> Self {
        let turned = watch::Sender::new(Instant::now());
        Self { database, projection, state, replay: None, batch_size, turned, connection: None, good: None }
    }

    /// Does what there is to do, up to a batch of it.
    pub(super) async fn turn(&mut self) -> Result<Turn, StoreError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(&self.database).await?,
        };
        let turn = self.turn_on(&mut connection).await;
        // After an error it is made anew: whatever it was is not in the way of the next try.
        if turn.is_ok() {
            self.connection = Some(connection);
        }
        turn
    }

    async fn turn_on(&mut self, connection: &mut PgConnection) -> Result<Turn, StoreError> {
        let projection = self.projection.clone();
        let mut transaction = connection.begin().await?;
        let found = Build::try_lock(&mut transaction, projection.name(), self.state, self.replay.as_deref()).await?;
        let Some(mut build) = found else {
            transaction.rollback().await?;
            return Ok(Turn::Nothing);
        };
        if build.version != projection.version() {
            transaction.rollback().await?;
            return Ok(Turn::Other);
        }
        let horizon = reader::horizon(&mut transaction).await?;
        if horizon <= build.position {
            if self.state == ProjectionState::Live {
                build.go_on(&mut transaction, projection.name()).await?;
            }
            transaction.commit().await?;
            if self.state == ProjectionState::Building && swap::swap(self, connection).await? {
                return Ok(Turn::Moved);
            }
            return Ok(Turn::CaughtUp);
        }
        if self.state == ProjectionState::Building {
            build::search(&mut transaction, &build.tables_in).await?;
        }
        let most = self.good.take().unwrap_or(self.batch_size).min(self.batch_size);
        match self.apply(&mut transaction, &mut build, horizon, most).await {
            Ok(applied) => {
                transaction.commit().await?;
                metrics().applied(projection.name(), self.state.name(), applied);
                Ok(Turn::Moved)
            }
            Err((good, _)) if good > 0 => {
                transaction.rollback().await?;
                self.good = Some(good);
                Ok(Turn::Moved)
            }
            Err((_, error)) => Err(error),
        }
    }

    /// Applies the next events up to the horizon, and says so. An error comes with the number of events that went well.
    pub(super) async fn apply(
        &self,
        database: &mut PgConnection,
        build: &mut Build,
        horizon: i64,
        most: u32,
    ) -> Result<u64, (u32, StoreError)> {
        let (projection, wants) = (&self.projection, self.projection.wants());
        let read = reader::after_position(database, build.position, horizon, most, &wants).await;
        let events = read.map_err(|error| (0, error))?;
        let mut applied = 0;
        for (good, event) in (0..).zip(&events) {
            if !is_wanted(&wants, event) {
                continue;
            }
            self.turned.send_replace(Instant::now());
            projection.apply(database, event).await.map_err(|error| {
                let (name, id, position) = (projection.name(), event.id, event.position);
                (good, StoreError::Apply { name, id, position, reason: error.to_string() })
            })?;
            applied += 1;
        }
        // Where there is nothing any more there never will be.
        let position = events.last().map_or(horizon, |event| event.position);
        let count = i64::try_from(applied).unwrap_or(i64::MAX);
        build.advance(database, projection.name(), position, count).await.map_err(|error| (0, error))?;
        Ok(applied)
    }

    /// Notes why it stands still, where people look.
    pub(super) async fn note(&self, error: &StoreError) {
        let position = if let StoreError::Apply { position, .. } = error { Some(*position) } else { None };
        let text = error.to_string();
        if let Ok(mut connection) = self.database.acquire().await {
            // If it cannot be noted, the log has it.
            let of = (self.state, self.replay.as_deref());
            let _ = Build::fail(&mut connection, self.projection.name(), of, (position, &text)).await;
        }
    }
}

fn is_wanted(wants: &[&str], event: &StoredEvent) -> bool {
    wants.is_empty() || wants.contains(&event.event_type.as_str())
}

/// Connects beside the pool, which projections would otherwise take from others for long.
async fn connect(database: &PgPool) -> Result<PgConnection, StoreError> {
    let options = database.connect_options();
    let mut connection = PgConnection::connect_with(&options).await?;
    for setting in SETTINGS {
        sqlx::raw_sql(AssertSqlSafe(setting)).execute(&mut connection).await?;
    }
    Ok(connection)
}
