//! What the dashboard looks at and acts on.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use millgate_bridge::{Routes, saga::SagaStore};
use millgate_events::{DeadLetterStore, KafkaConfig, ProjectionStore, Projections, ReplayStore, TrailStore, Values};
use millgate_jobs::{JobKind, Queues, Schedules};
use millgate_streams::AuditLogs;

use crate::{
    EventRegistry,
    access::Mask,
    see::{Outside, Records},
};

/// A consumer group of the application, with its routes.
pub struct Reader {
    /// `main`, or the group's name.
    pub name: &'static str,
    /// What becomes of its events.
    pub routes: Arc<Routes>,
    /// With the consumer group of its own.
    pub kafka: KafkaConfig,
}

/// A stream of the application, or its orchestrators of sagas, with the consumer group by which it is read.
#[derive(Clone)]
pub struct Follower {
    /// Its name.
    pub name: String,
    /// What it reads, without the prefix.
    pub topics: Vec<String>,
    /// With the consumer group of its own.
    pub kafka: KafkaConfig,
}

/// The projections of an application.
pub struct ProjectionSite {
    /// As the code has them.
    pub known: Projections,
    /// What the database knows of them.
    pub store: ProjectionStore,
    /// Events in one transaction, at most.
    pub batch_size: u32,
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
    /// Its streams.
    pub streams: Vec<Follower>,
    /// What the orchestrators of its sagas read, if it has sagas.
    pub orchestrators: Option<Follower>,
    /// Its event types.
    pub events: Arc<EventRegistry>,
    /// The schedules of all queues.
    pub schedules: Schedules,
    /// The table of dead letters, if there is a database.
    pub letters: Option<DeadLetterStore>,
    /// What nobody is shown.
    pub mask: Mask,
    /// The topics of dead letters, without the prefix.
    pub dead_letter_topics: Vec<String>,
    /// The audit log of events, if the application keeps one.
    pub audit_logs: Option<AuditLogs>,
    /// The sagas, if there are any and a database.
    pub sagas: Option<SagaStore>,
    /// The tables of the trail, if there is a database.
    pub trail: Option<TrailStore>,
    /// Whether the trail is written, as far as the configuration says.
    pub trail_is_kept: bool,
    /// The tables of replays, if there is a database.
    pub replays: Option<ReplayStore>,
    /// The projections, and their tables, if there is a database.
    pub projections: Option<ProjectionSite>,
    /// For so long ids of jobs are remembered (`redis.dedupe_window`).
    pub dedupe_window: Duration,
    /// Where large values lie.
    pub values: Values,
    /// Bytes of arguments that a queue takes of a job.
    pub max_payload: usize,
    /// Records that were read a moment ago.
    pub records: Records,
    /// What servers said that are asked in the background.
    pub outside: Outside,
}

impl Site {
    /// Groups that fold what they read into tables: those of streams, and that of the orchestrators.
    pub fn followers(&self) -> impl Iterator<Item = &Follower> {
        self.streams.iter().chain(&self.orchestrators)
    }

    /// One that knows of nothing but Redis.
    pub fn new(application: &'static str, queues: Queues) -> Self {
        Self {
            application,
            schedules: Schedules::new::<&str>(&queues, []),
            queues,
            queue_names: Vec::new(),
            kinds: BTreeMap::new(),
            job_kinds: BTreeMap::new(),
            readers: Arc::default(),
            streams: Vec::new(),
            orchestrators: None,
            events: Arc::default(),
            letters: None,
            dead_letter_topics: Vec::new(),
            audit_logs: None,
            sagas: None,
            trail: None,
            trail_is_kept: false,
            replays: None,
            projections: None,
            dedupe_window: Duration::from_hours(24),
            values: Values::default(),
            max_payload: usize::MAX,
            records: Records::default(),
            outside: Outside::default(),
            mask: Mask::default(),
        }
    }

    /// What to say where there is no queue of that name.
    pub fn no_queue(&self, name: &str) -> String {
        let known = self.queue_names.join(", ");
        format!("there is no queue `{name}`: Redis holds nothing of it; there are: {known}")
    }

    /// The way to Kafka, with the main consumer group.
    pub fn kafka(&self) -> KafkaConfig {
        self.readers.first().map(|reader| reader.kafka.clone()).unwrap_or_default()
    }

    /// The routes of all groups, by the names of these.
    pub fn tables(&self) -> impl Iterator<Item = (&str, &Routes)> + Clone {
        self.readers.iter().map(|reader| (reader.name, &*reader.routes))
    }
}
