//! What the dashboard looks at and acts on.

use std::{collections::BTreeMap, sync::Arc};

use millgate_bridge::Routes;
use millgate_events::{Claims, DeadLetterStore, KafkaConfig, TrailStore};
use millgate_jobs::{JobKind, Queues, Schedules};

use crate::see::Records;

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
    /// The same kinds with what their types know.
    pub job_kinds: BTreeMap<String, JobKind>,
    /// Its consumer groups, the main one first.
    pub readers: Arc<Vec<Reader>>,
    /// The schedules of all queues.
    pub schedules: Schedules,
    /// The table of dead letters, if there is a database.
    pub letters: Option<DeadLetterStore>,
    /// The tables of the trail, if there is a database.
    pub trail: Option<TrailStore>,
    /// Whether the trail is written, as far as the configuration says.
    pub trail_is_kept: bool,
    /// Where large values lie.
    pub claims: Claims,
    /// Records that were read a moment ago.
    pub records: Records,
}
