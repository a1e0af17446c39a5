//! Replay: records that lie on topics, once more, to somewhere else.
//!
//! A [`Selection`] says which records. [`Logs::spans`](crate::Logs::spans) fixes where each partition begins and ends, so that a replay
//! ends, too. [`Replay::run`] reads them by a client that is in no group, and gives them to a [`Destination`], which has
//! them for good before the next ones come; then [`ReplayStore`] notes how far it is. Whoever is killed in between leaves a
//! note that is older than the destination: each knows how to go on without doubling.

mod backfill;
mod choosing;
mod destination;
mod error;
mod file;
mod pace;
mod projection;
mod reader;
mod run;
mod selection;
mod span;
mod store;
mod tally;
mod topic;

pub use backfill::StartOffset;
pub use choosing::Chosen;
pub use destination::{Destination, Taken};
pub use error::ReplayError;
pub use file::IntoFile;
pub use projection::ProjectionReplay;
pub use run::Replay;
pub use selection::{OffsetRange, Selection};
pub use span::{Progress, Span};
pub use store::{PastReplay, ReplayRun, ReplayStatus, ReplayStore};
pub use tally::{Tally, TypeTally};
pub use topic::{IntoTopic, REPLAY_HEADERS};
