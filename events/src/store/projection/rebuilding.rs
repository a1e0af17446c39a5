//! A build that a replay makes: at its own pace, while runners leave it alone.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use super::{
    ProjectionState, ProjectionStore, Projections, build,
    erased::AnyProjection,
    follower::{Follower, Turn},
};
use crate::store::{StoreError, reader};

/// Where a build is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Everything up to that position is in its tables, which are beside the live ones.
    At(i64),
    /// Its tables are those that everybody reads.
    Live,
    /// Somebody has removed it.
    Gone,
}

/// Events of a category and type, in a stretch of positions.
#[derive(Debug, FromRow)]
pub(crate) struct Stretch {
    pub(crate) category: String,
    #[sqlx(rename = "type")]
    pub(crate) event_type: String,
    pub(crate) events: i64,
    pub(crate) first: DateTime<Utc>,
    pub(crate) last: DateTime<Utc>,
    /// Whether the projection has anything to do with them.
    #[sqlx(skip)]
    pub(crate) is_wanted: bool,
}

/// A build of a replay.
pub(crate) struct Rebuilding {
    store: ProjectionStore,
    follower: Follower,
    build: i64,
}

impl Rebuilding {
    /// That of this replay, if it has made one, and else a new one.
    pub(crate) async fn open(
        store: &ProjectionStore,
        projections: &Projections,
        name: &str,
        replay: &str,
        noted: Option<i64>,
    ) -> Result<Self, StoreError> {
        let projection = projections.known(name)?;
        let mut connection = store.database.acquire().await?;
        let own = "SELECT build FROM store_projections WHERE name = $1 AND replay = $2";
        let own: Option<i64> = sqlx::query_scalar(own).bind(name).bind(replay).fetch_optional(&mut *connection).await?;
        let build = match own.or(noted) {
            Some(build) => build,
            None => build::begin(&mut connection, &**projection, Some(replay)).await?.ok_or_else(|| {
                let reason = "it is being built already; `millgate projections list` says by whom";
                StoreError::Projection { name: name.to_owned(), reason: reason.into() }
            })?,
        };
        let mut follower = Follower::new(store.database.clone(), projection.clone(), ProjectionState::Building, 1);
        follower.replay = Some(replay.to_owned());
        Ok(Self { store: store.clone(), follower, build })
    }

    /// Its number.
    pub(crate) fn build(&self) -> i64 {
        self.build
    }

    /// Where it is by now.
    pub(crate) async fn place(&self) -> Result<Place, StoreError> {
        let place = "SELECT position, state FROM store_projections WHERE name = $1 AND build = $2 \
            AND (state = 'live' OR replay = $3)";
        let place = sqlx::query_as(place).bind(self.follower.projection.name()).bind(self.build);
        let place: Option<(i64, ProjectionState)> =
            place.bind(&self.follower.replay).fetch_optional(&self.store.database).await?;
        Ok(match place {
            Some((position, ProjectionState::Building)) => Place::At(position),
            Some((_, ProjectionState::Live)) => Place::Live,
            None => Place::Gone,
        })
    }

    /// Puts so many events in, at most; if there are none left it is put in the place of the live one. False: that could not be
    /// done yet.
    pub(crate) async fn step(&mut self, most: u32) -> Result<bool, StoreError> {
        self.follower.batch_size = most.max(1);
        match self.follower.turn().await {
            Ok(Turn::Other) => Err(StoreError::Projection {
                name: self.follower.projection.name().to_owned(),
                reason: "a program of another version began to build it, and has to go on with it".into(),
            }),
            Ok(turn) => Ok(turn == Turn::Moved),
            Err(error) => {
                self.follower.note(&error).await;
                Err(error)
            }
        }
    }
}

impl ProjectionStore {
    /// The position up to which events are there, for a projection that can be built anew.
    pub(crate) async fn end(&self, projections: &Projections, name: &str) -> Result<i64, StoreError> {
        let projection = projections.known(name)?;
        let wrong = |reason: &str| Err(StoreError::Projection { name: name.to_owned(), reason: reason.into() });
        let builds = "SELECT state, version FROM store_projections WHERE name = $1";
        let builds: Vec<(ProjectionState, i32)> = sqlx::query_as(builds).bind(name).fetch_all(&self.database).await?;
        match builds.iter().find(|(state, _)| *state == ProjectionState::Live) {
            None => return wrong("it has no tables yet: `millgate projections run` makes and fills them"),
            Some((_, version)) if *version > projection.version() => {
                return wrong("a newer program has taken it over; replay with that one");
            }
            Some(_) if builds.len() > 1 => {
                return wrong("it is being built already; `millgate projections list` says by whom");
            }
            Some(_) => {}
        }
        reader::horizon(&mut *self.database.acquire().await?).await
    }

    /// What events there are behind one position and up to another.
    pub(crate) async fn stretches(
        &self,
        projections: &Projections,
        name: &str,
        (after, upto): (i64, i64),
    ) -> Result<Vec<Stretch>, StoreError> {
        let projection: &Arc<dyn AnyProjection> = projections.known(name)?;
        let wants = projection.wants();
        let count = "SELECT split_part(stream, '-', 1) AS category, type, count(*) AS events, min(time) AS first, \
            max(time) AS last FROM store_events WHERE position > $1 AND position <= $2 GROUP BY 1, 2";
        let mut counted: Vec<Stretch> = sqlx::query_as(count).bind(after).bind(upto).fetch_all(&self.database).await?;
        for stretch in &mut counted {
            stretch.is_wanted = wants.is_empty() || wants.contains(&stretch.event_type.as_str());
        }
        Ok(counted)
    }
}
