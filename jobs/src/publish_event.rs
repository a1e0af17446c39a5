//! The one kind of job that is built in: publishing an event.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Job;

/// Publishes an event that another one led to. A route makes it, and a worker does it; it lies here since neither may
/// know the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PublishEvent {
    /// The event's type.
    pub event_type: String,
    /// Version of its payload's shape.
    pub version: u32,
    /// Its topic, without the prefix.
    pub topic: String,
    /// The entity it is about.
    pub key: String,
    /// Its payload.
    pub data: Value,
}

impl Job for PublishEvent {
    const KIND: &'static str = "publish-event";
    const QUEUE: &'static str = "events";
    /// With the default backoff that is two hours, in which brokers come back.
    const MAX_ATTEMPTS: u32 = 20;
}
