//! Projections as people see them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use super::{Projections, build, row::Build};
use crate::store::StoreError;

/// Which part a build of a projection plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum ProjectionState {
    /// Its tables are those that everybody reads.
    Live,
    /// Its tables are made beside them, and take their place.
    Building,
}

impl ProjectionState {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Building => "building",
        }
    }
}

/// How far a build of a projection is.
#[derive(Debug, Clone, PartialEq, Serialize, FromRow)]
pub struct ProjectionStatus {
    /// The projection's name.
    pub name: String,
    /// Its builds are counted from 1 on.
    pub build: i64,
    /// Version of the code that makes its rows.
    pub version: i32,
    /// Whether it is read.
    pub state: ProjectionState,
    /// Its tables.
    pub tables: Vec<String>,
    /// The position of the last event that is in them.
    pub position: i64,
    /// Events that were put into them.
    pub applied: i64,
    /// Events of the store after its position, wanted or not; 100,000: so many or more.
    pub lag: i64,
    /// The age of the first of these, in seconds.
    pub lag_seconds: f64,
    /// When it began.
    pub began: DateTime<Utc>,
    /// When it last went on.
    pub moved: DateTime<Utc>,
    /// Why it stands still.
    pub error: Option<String>,
    /// The position of the event that it fails at.
    pub failed_position: Option<i64>,
    /// When it last failed.
    pub failed_at: Option<DateTime<Utc>>,
    /// The event that it fails at.
    pub failed_event: Option<Uuid>,
    /// The type of that.
    pub failed_type: Option<String>,
    /// Its stream.
    pub failed_stream: Option<String>,
    /// And its version there.
    pub failed_version: Option<i64>,
    /// How many events it was told to pass over.
    pub skipped: i64,
    /// The replay that makes it; `None`: `millgate projections run` does.
    pub replay: Option<String>,
}

/// What the database knows of projections. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ProjectionStore {
    pub(super) database: PgPool,
}

impl ProjectionStore {
    /// In the schema that this pool's connections are in.
    pub fn new(database: PgPool) -> Self {
        Self { database }
    }

    /// All builds of all projections, by name, live ones first.
    pub async fn list(&self) -> Result<Vec<ProjectionStatus>, StoreError> {
        let list = "SELECT p.*, \
            (SELECT count(*) FROM (SELECT 1 FROM store_events AS e WHERE e.position > p.position LIMIT 100000) AS e) AS lag, \
            COALESCE((SELECT GREATEST(extract(epoch FROM now() - e.time), 0) FROM store_events AS e \
                WHERE e.position > p.position ORDER BY e.position LIMIT 1), 0)::float8 AS lag_seconds, \
            f.id AS failed_event, f.type AS failed_type, f.stream AS failed_stream, f.version AS failed_version, \
            (SELECT count(*) FROM store_skips AS s WHERE s.projection = p.name AND s.build = p.build) AS skipped \
            FROM store_projections AS p LEFT JOIN store_events AS f ON f.position = p.failed_position \
            ORDER BY p.name, p.state DESC";
        Ok(sqlx::query_as(list).fetch_all(&self.database).await?)
    }

    /// Removes a projection with its tables: one that the application has no more. False if there is none.
    pub async fn remove(&self, projections: &Projections, name: &str) -> Result<bool, StoreError> {
        if projections.find(name).is_some() {
            let reason = "the application still has it, and would build it again; take it out of the code first".into();
            return Err(StoreError::Projection { name: name.to_owned(), reason });
        }
        build::remove(&mut *self.database.acquire().await?, name).await
    }

    /// Begins to build a projection anew, beside the one that is there: `millgate projections run` fills it and puts it in its
    /// place. One that is under way is refused, or begun again with `anew`. Gives the build's number.
    pub async fn rebuild(&self, projections: &Projections, name: &str, anew: bool) -> Result<i64, StoreError> {
        let wrong = |reason: String| StoreError::Projection { name: name.to_owned(), reason };
        let projection = projections.known(name)?;
        let mut connection = self.database.acquire().await?;
        let live = Build::all(&mut connection, name).await?;
        if live.iter().any(|(_, build)| build.version > projection.version()) {
            return Err(wrong("a newer program has taken it over; rebuild it with that one".into()));
        }
        if anew {
            build::abandon(&mut connection, name, None).await?;
        }
        build::begin(&mut connection, &**projection, None).await?.ok_or_else(|| {
            wrong("it is being built already; `millgate projections list` says how far it is, `rebuild --anew` begins again".into())
        })
    }
}
