//! The event store: what happened to a thing, kept as its stream of events.

mod aggregate;
mod append;
mod commands;
mod committer;
mod error;
mod event_set;
mod metadata;
mod projection;
mod reader;
mod snapshot;
mod stored;
mod stream;

use std::sync::{Arc, Mutex, PoisonError};

use futures::{Stream as Rows, TryStreamExt};
use sqlx::{AssertSqlSafe, PgConnection, PgExecutor, PgPool};

pub use aggregate::{Aggregate, Loaded, Snapshots};
pub use append::Expected;
pub use commands::{CommandError, Commands};
pub use error::StoreError;
pub use event_set::{EventSet, NewEvent};
pub use metadata::Metadata;
pub(crate) use projection::{Place, Rebuilding};
pub use projection::{
    Projection, ProjectionConfig, ProjectionRunner, ProjectionState, ProjectionStatus, ProjectionStore, Projections,
    SkippedEvent, metrics as projection_metrics,
};
pub use reader::StreamInfo;
pub use stored::StoredEvent;
pub use stream::StreamId;

use append::Append;
use committer::Committer;
use stored::COLUMNS;

/// Streams of events in PostgreSQL. Cheap to clone; what clones append at the same time is committed together.
///
/// Every event goes to Kafka, too, on the topic of its type and with the id of its stream as the key: by the outbox, in the same
/// transaction.
#[derive(Debug, Clone)]
pub struct EventStore {
    database: PgPool,
    source: Arc<str>,
    is_published: bool,
    committer: Arc<Mutex<Option<Committer>>>,
}

impl EventStore {
    /// In the schema that this pool's connections are in, for the service named `source`.
    pub fn new(database: PgPool, source: &str) -> Self {
        Self { database, source: source.into(), is_published: true, committer: Arc::default() }
    }

    /// The same store for events that are nobody else's concern: they do not go to Kafka.
    #[must_use]
    pub fn unpublished(&self) -> Self {
        Self { is_published: false, ..self.clone() }
    }

    /// Appends events to a stream if it is as expected, all or none. Gives its version after that. Of no events nothing is expected.
    ///
    /// Returns once it is committed. An error that is no conflict may come after the commit, when a connection breaks: with
    /// [`Metadata::once`] the append can be repeated all the same.
    pub async fn append<E: EventSet>(
        &self,
        stream: &StreamId,
        expected: Expected,
        events: &[E],
        metadata: &Metadata,
    ) -> Result<i64, StoreError> {
        let append = Append::new((&self.source, self.is_published), stream.clone(), expected, events, metadata)?;
        if append.rows.is_empty() {
            return self.version(stream).await;
        }
        if append.key.is_some() {
            return append.execute(&mut *self.database.acquire().await?).await;
        }
        self.committer().append(append).await
    }

    /// The same in a transaction of the caller's. Its stream is locked until that ends. On a conflict nothing is appended, and the
    /// transaction can go on.
    pub async fn append_in<E: EventSet>(
        &self,
        database: &mut PgConnection,
        stream: &StreamId,
        expected: Expected,
        events: &[E],
        metadata: &Metadata,
    ) -> Result<i64, StoreError> {
        let append = Append::new((&self.source, self.is_published), stream.clone(), expected, events, metadata)?;
        if append.rows.is_empty() {
            return version(database, stream).await;
        }
        append.execute(database).await
    }

    /// The version of a stream's last event; 0 if there is no such stream.
    pub async fn version(&self, stream: &StreamId) -> Result<i64, StoreError> {
        version(&self.database, stream).await
    }

    /// The version that a stream had after the append with that key ([`Metadata::once`]); `None`: there was none.
    pub async fn appended(&self, stream: &StreamId, key: &str) -> Result<Option<i64>, StoreError> {
        let appended = "SELECT version FROM store_keys WHERE stream = $1 AND key = $2";
        Ok(sqlx::query_scalar(appended).bind(stream.name()).bind(key).fetch_optional(&self.database).await?)
    }

    /// Events of a stream from a version on, in their order: all from 1 on.
    pub async fn load(&self, stream: &StreamId, from: i64) -> Result<Vec<StoredEvent>, StoreError> {
        self.read(stream, from).try_collect().await
    }

    /// The same, one after the other, as they come from the database.
    pub fn read(&self, stream: &StreamId, from: i64) -> impl Rows<Item = Result<StoredEvent, StoreError>> + Send {
        let read = format!("SELECT {COLUMNS} FROM store_events WHERE stream = $1 AND version >= $2 ORDER BY version");
        let query = sqlx::query_as(AssertSqlSafe(read)).bind(stream.name().to_owned()).bind(from);
        query.fetch(&self.database).map_err(StoreError::from)
    }

    /// What commits for all clones; begun by the first that appends on a runtime.
    fn committer(&self) -> Committer {
        let mut committer = self.committer.lock().unwrap_or_else(PoisonError::into_inner);
        match &*committer {
            Some(running) if !running.is_closed() => running.clone(),
            _ => committer.insert(Committer::start(self.database.clone())).clone(),
        }
    }
}

/// The version of a stream's last event, as this connection or transaction sees it.
async fn version(database: impl PgExecutor<'_>, stream: &StreamId) -> Result<i64, StoreError> {
    let version = "SELECT version FROM store_streams WHERE stream = $1";
    Ok(sqlx::query_scalar(version).bind(stream.name()).fetch_optional(database).await?.unwrap_or_default())
}
