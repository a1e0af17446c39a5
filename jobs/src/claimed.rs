//! A job in a worker's hand.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

/// The event that a job goes back to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Its CloudEvents id.
    pub event_id: String,
    /// Its CloudEvents source.
    pub event_source: String,
    /// Its type.
    pub event_type: String,
    /// Shared by everything that one request set off.
    pub correlation_id: String,
    /// W3C `traceparent` of the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Where it lay: `topic/partition/offset`.
    pub record: String,
}

/// A job that this worker holds a lease on.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Its id.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// Version of its arguments' shape.
    pub version: u32,
    /// The queue it came from.
    pub queue: String,
    /// Its arguments as JSON.
    pub payload: String,
    /// Which run this is, from 1.
    pub attempt: u32,
    /// After this many it is dead.
    pub max_attempts: u32,
    /// How long this run may take.
    pub timeout: Duration,
    /// When what it is about happened.
    pub time: DateTime<Utc>,
    /// The event it goes back to, if any.
    pub origin: Option<Origin>,
    /// Fires when the lease is lost: another worker has the job, and this run's result will not count.
    pub lost: CancellationToken,
    /// Names this lease; every later lease of any job of the queue has a higher one.
    pub(crate) token: u64,
}
