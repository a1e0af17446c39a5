//! An application with the way to its servers, each connected when first used.

mod bridges;
mod database;
mod sagas;
mod sight;
mod streams;
mod topics;
mod work;

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use millgate_bridge::{BridgeConfig, Routes, saga::Sagas};
use millgate_dashboard::{EventRegistry, Reader};
use millgate_events::{
    Claims, DeadLetterStore, DeadLetterTopics, DeadLetters, EventStore, Outbox, OutboxStore, Producer,
    ProjectionRunner, Projections, Relay, SchemaRegistry, Trail, Values,
};
use millgate_jobs::{Queues, Schedule};
use millgate_streams::Audit;
use millgate_workers::{Handlers, State};
use sqlx::{PgPool, migrate::Migrator};
use tracing::error;

pub(crate) use self::database::pool;
use crate::{
    App,
    app::{MakeStream, Report, Samples, queue_names},
    config::{Config, PostgresConfig, WrittenRoute},
    group,
};

/// Connections for dead letters alone: who writes one may hold one of the pool's until it is written.
const FOR_LETTERS: u32 = 4;

/// Everything that a role needs.
pub(crate) struct Servers {
    pub(crate) config: Config,
    pub(crate) producer: Producer,
    pub(crate) queues: Queues,
    pub(crate) database: PgPool,
    pub(crate) events: Arc<EventRegistry>,
    pub(crate) handlers: Arc<Handlers>,
    pub(crate) samples: Option<Samples>,
    pub(crate) report: Option<Report>,
    pub(crate) projections: Projections,
    pub(crate) dead_letters: DeadLetters,
    /// The table of dead letters, if there is a database.
    pub(crate) letters: Option<DeadLetterStore>,
    pub(crate) dead_letter_topics: DeadLetterTopics,
    pub(crate) application: &'static str,
    schedules: Vec<Schedule>,
    migrations: Option<&'static Migrator>,
    streams: Vec<MakeStream>,
    audit: Option<Arc<Audit>>,
    /// Those of the main group.
    pub(crate) routes: Arc<Routes>,
    /// All groups, the main one first.
    pub(crate) readers: Arc<Vec<Reader>>,
    declared: Option<(PathBuf, Vec<WrittenRoute>)>,
    state: State,
    sagas: Sagas,
    /// Begun by the first role that has something to note.
    trail: OnceLock<Trail>,
}

impl Servers {
    /// Reads every URL; connects nowhere yet.
    pub(crate) fn new(app: App, config: Config) -> anyhow::Result<Self> {
        let registry = SchemaRegistry::open(&config.schema_registry, &config.kafka.topic_prefix)?;
        for (name, event) in app.events.iter() {
            registry.learn_as(name, event.version, event.topic, event.schema);
        }
        let values = Values::new(Claims::open(&config.claim_check)?, registry);
        let producer = Producer::new(&config.kafka, app.name)?.with_values(values);
        let queues = Queues::new(&config.redis)?;
        let database = pool(&config.postgres)?;
        let BridgeConfig { dead_letter_topic, dead_letter_topics, .. } = &config.bridge;
        let dead_letter_topics = DeadLetterTopics::read(dead_letter_topic, dead_letter_topics)
            .map_err(|wrong| anyhow::anyhow!("bridge.dead_letter_topics: `{wrong}` is no domain=topic"))?;
        // Nobody keeps a database for an application that has no tables, unless they say so.
        let has_database = app.keeps_tables() || config.postgres.url != PostgresConfig::default().url;
        let of_letters = pool(&PostgresConfig { pool_size: FOR_LETTERS, ..config.postgres.clone() })?;
        let letters = has_database.then(|| DeadLetterStore::new(of_letters));
        let routes = Arc::new(app.routes);
        let main = group::main(routes.clone(), &config.kafka);
        let groups = app.groups.into_iter().map(|group| group::reader(group, &config.kafka));
        Ok(Self {
            readers: Arc::new(std::iter::once(main).chain(groups).collect()),
            dead_letters: DeadLetters::new(producer.clone(), dead_letter_topics.clone()).stored_in(letters.clone()),
            dead_letter_topics,
            letters,
            producer,
            queues,
            database,
            events: Arc::new(app.events),
            handlers: Arc::new(app.handlers),
            samples: app.samples,
            report: app.report,
            projections: app.projections,
            application: app.name,
            schedules: app.schedules.into_iter().collect::<Result<_, _>>()?,
            migrations: app.migrations,
            streams: app.streams,
            audit: app.audit,
            routes,
            declared: app.declared,
            state: app.state,
            sagas: Sagas::new(Arc::new(app.sagas), Outbox::new(app.name)),
            trail: OnceLock::new(),
            config,
        })
    }

    /// Names of the queues that some handler works on or some route fills.
    pub(crate) fn queue_names(&self) -> Vec<String> {
        queue_names(&self.handlers, self.readers.iter().map(|reader| &*reader.routes))
    }

    /// Looks, as soon as Redis answers, whether it might throw jobs away, and says so loudly.
    pub(crate) fn check_eviction(&self) {
        let queues = self.queues.clone();
        tokio::spawn(async move {
            loop {
                match queues.info().await {
                    Ok(info) if info.maxmemory_policy == "noeviction" => return,
                    Ok(info) => {
                        return error!(
                            maxmemory_policy = info.maxmemory_policy,
                            "Redis may throw jobs away when memory is short: CONFIG SET maxmemory-policy noeviction"
                        );
                    }
                    Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
                }
            }
        });
    }

    /// Names of the queues that some route fills.
    pub(crate) fn routed_queues(&self) -> BTreeSet<String> {
        self.readers.iter().flat_map(|reader| reader.routes.queues()).collect()
    }

    /// What publishes the outbox.
    pub(crate) fn relay(&self) -> Relay {
        Relay::new(self.database.clone(), self.producer.clone(), self.config.relay.clone())
    }

    /// What keeps projections up to date.
    pub(crate) fn projection_runner(&self) -> ProjectionRunner {
        ProjectionRunner::new(self.database.clone(), &self.projections, self.config.projections.clone())
    }

    /// The event store of this application.
    pub(crate) fn event_store(&self) -> EventStore {
        EventStore::new(self.database.clone(), self.producer.source())
    }

    /// What takes notes of events and runs; off if there is no database, or nothing is to be kept.
    pub(crate) fn trail(&self) -> &Trail {
        self.trail.get_or_init(|| {
            if self.letters.is_none() {
                return Trail::default();
            }
            let host = gethostname::gethostname();
            let worker = format!("{}/{}", host.to_string_lossy(), std::process::id());
            Trail::start(&self.database, &self.config.trail, worker)
        })
    }

    /// The outbox, if there is a database.
    pub(crate) fn outbox(&self) -> Option<OutboxStore> {
        self.letters.is_some().then(|| OutboxStore::new(self.database.clone()))
    }
}
