//! What the dashboard looks at and acts on.

use std::{collections::BTreeMap, sync::Arc};

use millgate_bridge::Routes;
use millgate_events::{DeadLetterStore, KafkaConfig};
use millgate_jobs::{Queues, Schedules};

use crate::access::Mask;

/// A consumer group of the application, with its routes.
pub struct Reader {
    /// `main`, or the group's name.
    pub name: &'static str,
    /// What becomes of its events.
    pub routes: Arc<Routes>,
    /// With the consumer group of its own.
    pub kafka: KafkaConfig,
}

/// An application, as its operators see it: the way to its servers, and what it knows. Connects nowhere by itself.
pub struct Site {
    /// The application's name.
    pub application: &'static str,
    /// The way to Redis.
    pub queues: Queues,
    /// Names of the queues that some handler works on or some route fills, sorted.
    pub queue_names: Vec<String>,
    /// The kinds of jobs that this application has handlers for, with their versions.
    pub kinds: BTreeMap<String, u32>,
    /// Its consumer groups, the main one first.
    pub readers: Arc<Vec<Reader>>,
    /// The schedules of all queues.
    pub schedules: Schedules,
    /// The table of dead letters, if there is a database.
    pub letters: Option<DeadLetterStore>,
    /// What nobody is shown.
    pub mask: Mask,
}
