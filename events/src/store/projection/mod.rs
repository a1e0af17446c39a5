//! Projections: tables that follow from events.

mod build;
mod config;
mod erased;
mod follower;
mod metrics;
mod rebuilding;
mod row;
mod runner;
mod skipping;
mod status;
mod swap;
mod waiting;

use sqlx::PgConnection;

use super::{StoreError, StoredEvent};

pub use config::ProjectionConfig;
pub use metrics::metrics;
pub(crate) use rebuilding::{Place, Rebuilding};
pub use runner::ProjectionRunner;
pub use skipping::SkippedEvent;
pub use status::{ProjectionState, ProjectionStatus, ProjectionStore};

use erased::{AnyProjection, BoxError};

/// Tables that follow from events: a read model. Whoever asks them for something is as current as they are.
///
/// The rows, and how far they are, change in one transaction: each event is in them once, whoever is killed. Statements name tables
/// without a schema, since a rebuild has tables of the same names elsewhere, until they take the place of the old ones.
pub trait Projection: Send + Sync + 'static {
    /// What it is called: lowercase letters, digits and `_`; no other one is called so.
    const NAME: &'static str;
    /// Version of what it makes of events, counted from 1. With a higher one it is rebuilt, beside the one that is there.
    const VERSION: u32 = 1;

    /// Types of the events that it wants: `AccountEvent::types()`; none: all of them.
    fn wants(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// Creates its tables and their indexes, and grants who may read them.
    fn create(&self, database: &mut PgConnection) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// Puts an event into the tables. An error takes everything back, and is tried again: nothing later is applied before.
    fn apply(
        &self,
        database: &mut PgConnection,
        event: &StoredEvent,
    ) -> impl Future<Output = Result<(), BoxError>> + Send;
}

/// The projections of an application.
#[derive(Default, Clone)]
pub struct Projections(Vec<std::sync::Arc<dyn AnyProjection>>);

impl Projections {
    /// Adds one.
    ///
    /// # Panics
    /// If its name is taken, or none.
    pub fn add<P: Projection>(&mut self, projection: P) {
        let is_name = |name: &str| {
            let fits = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
            (1..=40).contains(&name.len()) && name.chars().all(fits)
        };
        assert!(is_name(P::NAME), "`{}` is no name of a projection: up to 40 of a-z, 0-9 and _", P::NAME);
        assert!(self.find(P::NAME).is_none(), "there is a projection `{}` already", P::NAME);
        self.0.push(std::sync::Arc::new(projection));
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|projection| projection.name())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn find(&self, name: &str) -> Option<&std::sync::Arc<dyn AnyProjection>> {
        self.0.iter().find(|projection| projection.name() == name)
    }

    /// The same, or what to say of a name that is none.
    fn known(&self, name: &str) -> Result<&std::sync::Arc<dyn AnyProjection>, StoreError> {
        self.find(name).ok_or_else(|| {
            let names: Vec<_> = self.names().collect();
            let reason = format!("this application has no such projection; there are: {}", names.join(", "));
            StoreError::Projection { name: name.to_owned(), reason }
        })
    }
}
