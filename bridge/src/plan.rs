//! What one event comes to.

use millgate_events::{BadClaim, DecodeError};
use millgate_jobs::{Cancel, NewJob};

/// The jobs and cancels that one event comes to.
#[derive(Debug, Default)]
pub struct Plan {
    /// Jobs, with the queue of each.
    pub jobs: Vec<NewJob>,
    /// Cancels, with the queue of each.
    pub cancels: Vec<(String, Cancel)>,
}

/// Why a record cannot become jobs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Poison {
    /// It is not an event that is known here.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Its value lies elsewhere, and cannot be had.
    #[error(transparent)]
    Claim(#[from] BadClaim),
    /// Its route panicked.
    #[error("the route for {event_type} panicked: {message}")]
    RoutePanicked {
        /// The event's type.
        event_type: String,
        /// The panic's message.
        message: String,
    },
    /// A job that its route made cannot be written as JSON.
    #[error(transparent)]
    Job(millgate_jobs::QueueError),
}

impl Poison {
    /// Why, in at most 1,000 characters: what a parser says can quote the whole value.
    pub fn message(&self) -> String {
        self.to_string().chars().take(1_000).collect()
    }

    /// A word for dashboards and headers.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Decode(error) => error.code(),
            Self::Claim(bad) => bad.code(),
            Self::RoutePanicked { .. } => "route_panicked",
            Self::Job(_) => "job_not_json",
        }
    }
}
