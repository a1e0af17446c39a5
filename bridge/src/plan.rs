//! What one event comes to.

use millgate_events::{BadValue, DecodeError};
use millgate_jobs::{Cancel, NewJob, QueueError};

use crate::Unfilled;

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
    /// Its value lies elsewhere and cannot be had, or is in the wire format and cannot be read.
    #[error(transparent)]
    Value(#[from] BadValue),
    /// Its route panicked.
    #[error("the route for {event_type} panicked: {message}")]
    RoutePanicked {
        /// The event's type.
        event_type: String,
        /// The panic's message.
        message: String,
    },
    /// A job that its route made cannot be written as JSON, or is larger than queues take.
    #[error(transparent)]
    Job(QueueError),
    /// A declared route wants something of the event that is not there.
    #[error("the route at {route} needs {reason}")]
    Unfilled {
        /// Where the route is declared.
        route: String,
        /// What is not there.
        reason: Unfilled,
    },
    /// A declared route fills in fields that the job does not take.
    #[error("the route at {route} makes no job of this event: {reason}")]
    Arguments {
        /// Where the route is declared.
        route: String,
        /// Why not.
        reason: QueueError,
    },
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
            Self::Value(bad) => bad.code(),
            Self::RoutePanicked { .. } => "route_panicked",
            Self::Job(QueueError::TooLarge { .. }) => "job_too_large",
            Self::Job(_) => "job_not_json",
            Self::Unfilled { reason: Unfilled::Missing(_), .. } => "route_field_missing",
            Self::Unfilled { reason: Unfilled::NoText(_), .. } => "route_field_not_text",
            Self::Arguments { .. } => "route_bad_fields",
        }
    }
}
