//! What routes may come to, as far as it can be said without an event.

use serde::Serialize;

/// One thing that a route does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outline {
    /// The type of the events that it is about.
    pub event: String,
    /// Only events of this version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// What it does.
    pub action: Action,
    /// The kind of the job.
    pub kind: String,
    /// Its queue.
    pub queue: String,
    /// The type of the event that the job publishes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publishes: Option<String>,
    /// Where it is declared: `millgate.toml:12`; nothing: in the code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// What must hold. Of conditions in the code it is only known that there are some.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<String>,
    /// What is said of the job; what code says of it is known with an event only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

/// What a route does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Enqueues a job.
    Enqueue,
    /// Cancels one.
    Cancel,
    /// Enqueues a job that publishes an event.
    Publish,
}
