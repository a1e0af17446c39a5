//! An application with the way to its servers, each connected when first used.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    str::FromStr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use anyhow::Context;
use millgate_bridge::{
    Bridge, BridgeConfig, BridgeStats, Routes, Watermarks,
    saga::{Orchestrator, SagaStore, Sagas},
};
use millgate_dashboard::{EventRegistry, Reader, Site, StreamReader, access::Mask};
use millgate_events::{
    Claims, DeadLetterError, DeadLetterStore, DeadLetterTopics, DeadLetters, EventStore, KafkaConfig, Outbox,
    OutboxStore, Producer, ProjectionRunner, Projections, Relay, ReplayStore, SchemaRegistry, TopicSpec, Trail,
    TrailStore, Values,
};
use millgate_jobs::{Queues, Schedule, Scheduler, Schedules};
use millgate_streams::{Audit, AuditLogs, AuditSettings, Resources, Stream, StreamPositions, windows::WindowStore};
use millgate_workers::{
    DeadLetterForwarder, DeadSteps, Handlers, State, Worker,
    email::{Attachments, Mailer, Suppressions, Templates},
    webhook::Webhooks,
};
use sqlx::{
    Connection, PgConnection, PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::{
    App,
    app::{MakeStream, Report, Samples, queue_names},
    config::{Config, PostgresConfig, WrittenRoute},
    group,
    housekeeping::Retention,
    metrics::Metrics,
    reporter::Reporter,
    route_file::RouteFile,
};

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
        let has_database = app.migrations.is_some() || config.postgres.url != PostgresConfig::default().url;
        let letters = has_database.then(|| DeadLetterStore::new(database.clone()));
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

    /// The topics that the application needs, as the configuration wants them.
    pub(crate) fn topic_specs(&self) -> Vec<TopicSpec> {
        // Sorted, and each once.
        let streams = self.streams();
        let mut own: BTreeSet<&str> = self.readers.iter().flat_map(|reader| reader.routes.topics()).collect();
        own.extend(streams.iter().flat_map(Stream::topics).map(String::as_str));
        let (lines, errors) = self.config.log_shipping.topics(self.application);
        let logs = [Some(lines), errors].into_iter().flatten().filter(|_| self.config.log_shipping.enabled);
        let logs: BTreeSet<String> = logs.collect();
        let names = own.into_iter().chain(self.dead_letter_topics.names()).chain(logs.iter().map(String::as_str));
        let specs = names.map(|name| {
            let settings = self.config.topics.settings_of(name);
            TopicSpec {
                name: name.to_owned(),
                partitions: settings.partitions as usize,
                replication: i32::try_from(settings.replication).unwrap_or(i32::MAX),
                retention: Some(settings.retention),
                compaction: settings.compaction,
                min_insync_replicas: settings.min_insync_replicas,
            }
        });
        specs.collect()
    }

    /// Topics whose records may be there longer than `age`.
    pub(crate) fn topics_that_outlive(&self, age: Duration) -> Vec<String> {
        let mut specs = self.topic_specs();
        specs.retain(|spec| spec.compaction || spec.retention.is_none_or(|retention| retention >= age));
        specs.into_iter().map(|spec| spec.name).collect()
    }

    /// Names of the queues that some handler works on or some route fills.
    pub(crate) fn queue_names(&self) -> Vec<String> {
        queue_names(&self.handlers, self.readers.iter().map(|reader| &*reader.routes))
    }

    /// Asks PostgreSQL for its version on a connection of its own: the pool would only say that it waited in vain.
    pub(crate) async fn postgres_version(&self) -> anyhow::Result<String> {
        let options = self.database.connect_options();
        let connect = PgConnection::connect_with(&options);
        let connected = tokio::time::timeout(self.config.postgres.connect_timeout, connect);
        let advice = "PostgreSQL cannot be used; is it up, and postgres.url (MILLGATE_POSTGRES_URL) right?";
        let mut connection =
            connected.await.context("no answer within postgres.connect_timeout").context(advice)?.context(advice)?;
        Ok(sqlx::query_scalar("SHOW server_version").fetch_one(&mut connection).await?)
    }

    /// Creates the schema and the tables.
    pub(crate) async fn migrate(&self) -> anyhow::Result<usize> {
        let Some(letters) = &self.letters else { return Ok(0) };
        self.postgres_version().await?;
        let schema = &self.config.postgres.schema;
        if schema != "public" {
            // A name cannot be a parameter; quoted, with its quotes doubled, it can only be a name.
            let create = format!("CREATE SCHEMA IF NOT EXISTS \"{}\"", schema.replace('"', "\"\""));
            sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&self.database).await?;
        }
        let own = letters.migrate().await? + Suppressions::new(self.database.clone()).migrate().await?;
        let own = own + if self.has_streams() { millgate_streams::migrate(&self.database).await? } else { 0 };
        let Some(migrations) = self.migrations else { return Ok(own) };
        migrations.run(&self.database).await.context("a migration failed; nothing of it was kept")?;
        Ok(own + migrations.iter().count())
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

    /// Looks, as soon as PostgreSQL answers, whether there is a table for the dead, and says so before the first death.
    pub(crate) fn check_dead_letters(&self) {
        let Some(letters) = self.letters.clone() else { return };
        tokio::spawn(async move {
            while let Err(error) = letters.check().await {
                if let DeadLetterError::NoTable = error {
                    return error!(%error, "what dies will wait: in Redis, or with its partition");
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
    }

    /// The bridge of a group, which joins its consumer group at once. Refuses routes to jobs that no handler of this
    /// application does: they would wait for ever.
    pub(crate) fn bridge(&self, reader: &Reader) -> anyhow::Result<Bridge> {
        let unhandled = reader.routes.unhandled(|kind| self.handlers.handles(kind));
        let kinds: Vec<String> = unhandled.iter().map(|(kind, queue)| format!("{kind} (queue {queue})")).collect();
        anyhow::ensure!(
            kinds.is_empty(),
            "routes make jobs that no handler does: {}; add App::worker(…) for each",
            kinds.join(", ")
        );
        let (routes, queues) = (reader.routes.clone(), self.queues.clone());
        let values = self.producer.values().clone();
        let letters = self.dead_letters.clone();
        let bridge = Bridge::start(&reader.kafka, &self.config.bridge, routes, queues, letters, values)?;
        Ok(bridge.with_trail(self.trail().clone()))
    }

    /// Names of the queues that some route fills.
    pub(crate) fn routed_queues(&self) -> BTreeSet<String> {
        self.readers.iter().flat_map(|reader| reader.routes.queues()).collect()
    }

    /// How far each of a group's queues is.
    pub(crate) fn watermarks(&self, reader: &Reader) -> Watermarks {
        Watermarks::new(&reader.kafka, &reader.routes, self.queues.clone())
    }

    /// Follows the routes that the configuration file declares, until `stop` fires; at once done if there is none.
    pub(crate) fn follow_routes(&self, stop: CancellationToken) -> impl Future<Output = ()> + Send + use<> {
        let (routes, handlers) = (&self.routes, &self.handlers);
        let file = self.declared.clone();
        let file = file.map(|(path, written)| RouteFile::new(path, written, routes.clone(), handlers.clone()));
        async move {
            if let Some(file) = file {
                file.follow(stop).await;
            }
        }
    }

    /// The streams of the application, in its order.
    pub(crate) fn streams(&self) -> Vec<Stream> {
        let resources = self.stream_resources();
        let audit = self.audit.iter().map(|audit| audit.clone().stream(self.audit_settings()));
        self.streams.iter().map(|make| make(&resources)).chain(audit).collect()
    }

    /// What stages may use.
    pub(crate) fn stream_resources(&self) -> Resources {
        Resources {
            database: self.database.clone(),
            producer: self.producer.clone(),
            queues: self.queues.clone(),
            cache: self.queues.cache(),
            dead_letters: self.dead_letters.clone(),
            values: self.producer.values().clone(),
            consumer_group: self.config.kafka.consumer_group.clone(),
        }
    }

    fn audit_settings(&self) -> AuditSettings {
        let mask = self.mask();
        AuditSettings {
            topic_prefix: self.config.kafka.topic_prefix.clone(),
            topics: self.events.iter().map(|(_, event)| event.topic.to_owned()).collect(),
            dead_letter_topics: self.dead_letter_topics.names().into_iter().map(str::to_owned).collect(),
            hide: Arc::new(move |event, job, value| match job {
                Some(kind) => mask.apply_to_job(kind, event, value),
                None => mask.apply_to_event(event.unwrap_or_default(), value),
            }),
        }
    }

    /// The audit log, if the application keeps one.
    pub(crate) fn audit_logs(&self) -> Option<AuditLogs> {
        self.audit.as_ref().map(|_| AuditLogs::new(self.database.clone()))
    }

    /// How far the streams are.
    pub(crate) fn stream_positions(&self) -> StreamPositions {
        StreamPositions::new(self.database.clone())
    }

    /// The tables of windows.
    pub(crate) fn windows(&self) -> WindowStore {
        WindowStore::new(self.database.clone())
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

    /// What drives the sagas, in a consumer group of its own.
    pub(crate) fn orchestrator(&self) -> anyhow::Result<Orchestrator> {
        let (kafka, config) = (self.saga_kafka(), &self.config.saga);
        let (database, values) = (self.database.clone(), self.producer.values().clone());
        let (sagas, letters) = (self.sagas.clone(), self.dead_letters.clone());
        Ok(Orchestrator::start(&kafka, config, sagas, database, letters, values)?)
    }

    /// Kafka, as orchestrators use it.
    pub(crate) fn saga_kafka(&self) -> KafkaConfig {
        let kafka = &self.config.kafka;
        KafkaConfig { consumer_group: format!("{}-sagas", kafka.consumer_group), ..kafka.clone() }
    }

    /// The sagas, if there are any and a database to keep them in.
    pub(crate) fn sagas(&self) -> Option<SagaStore> {
        let has_sagas = self.letters.is_some() && !self.sagas.definitions().is_empty();
        has_sagas.then(|| SagaStore::new(self.database.clone(), self.sagas.clone()))
    }

    /// The outbox, if there is a database.
    pub(crate) fn outbox(&self) -> Option<OutboxStore> {
        self.letters.is_some().then(|| OutboxStore::new(self.database.clone()))
    }

    fn dead_steps(&self) -> Option<DeadSteps> {
        let failed = self.handlers.steps().clone();
        let outbox = Outbox::new(self.producer.source());
        (!failed.is_empty()).then(|| DeadSteps { database: self.database.clone(), outbox, failed })
    }

    /// What this process has to say to Prometheus; of its bridges by consumer group.
    pub(crate) fn metrics(&self, roles: &[&str], bridges: Vec<(String, Arc<BridgeStats>)>) -> Metrics {
        let queues = self.queue_names().iter().map(|name| self.queues.queue(name)).collect();
        let metrics = Metrics::new(queues, bridges).in_roles(self.application, roles);
        let metrics = match (self.letters.clone(), self.outbox()) {
            (Some(letters), Some(outbox)) => metrics.with_tables(letters, outbox),
            _ => metrics,
        };
        match self.sagas() {
            Some(store) => metrics.with_sagas(self.sagas.stats(), store),
            None => metrics,
        }
    }

    /// What this process says of itself to the others.
    pub(crate) fn reporter(&self, roles: &[&str], stop: &CancellationToken) -> Reporter {
        Reporter::new(&self.queues, self.queue_names(), self.application, roles, stop)
    }

    /// What operators look at and act on.
    pub(crate) fn site(&self) -> Site {
        let kinds = self.handlers.versions().map(|(kind, version)| (kind.to_owned(), version));
        Site {
            application: self.application,
            queues: self.queues.clone(),
            queue_names: self.queue_names(),
            kinds: kinds.collect(),
            job_kinds: self.handlers.kinds().iter().map(|(kind, known)| ((*kind).to_owned(), known.clone())).collect(),
            readers: self.readers.clone(),
            streams: self.stream_readers(),
            schedules: self.schedules(),
            events: self.events.clone(),
            letters: self.letters.clone(),
            mask: self.mask(),
            dead_letter_topics: self.dead_letter_topics.names().into_iter().map(str::to_owned).collect(),
            values: self.producer.values().clone(),
            max_payload: self.config.redis.max_payload,
            replays: self.letters.is_some().then(|| ReplayStore::new(self.database.clone())),
            dedupe_window: self.config.redis.dedupe_window,
            audit_logs: self.audit_logs(),
            trail: self.letters.is_some().then(|| TrailStore::new(self.database.clone())),
            sagas: self.sagas(),
            trail_is_kept: self.letters.is_some() && !self.config.trail.keep.is_zero(),
            ..Site::new(self.application, self.queues.clone())
        }
    }

    /// Whether the application has any.
    pub(crate) fn has_streams(&self) -> bool {
        !self.streams.is_empty() || self.audit.is_some()
    }

    /// Goes without streams, and gives their names.
    pub(crate) fn leave_out_streams(&mut self) -> Vec<String> {
        let left_out = self.streams().iter().map(|stream| stream.name().to_owned()).collect();
        self.streams.clear();
        self.audit = None;
        left_out
    }

    fn stream_readers(&self) -> Vec<StreamReader> {
        let reader = |stream: Stream| StreamReader {
            kafka: stream.kafka(&self.config.kafka),
            topics: stream.topics().to_vec(),
            name: stream.name().to_owned(),
        };
        self.streams().into_iter().map(reader).collect()
    }

    /// What nobody is shown, by the code and by the configuration.
    pub(crate) fn mask(&self) -> Mask {
        let mask = Mask::of(&self.config.dashboard.mask);
        let mask = self.events.iter().fold(mask, |mask, (name, event)| mask.event(name, event.sensitive));
        self.handlers.kinds().values().fold(mask, |mask, kind| mask.job(kind.name(), kind.sensitive()))
    }

    /// The schedules of all queues.
    pub(crate) fn schedules(&self) -> Schedules {
        Schedules::new(&self.queues, self.queue_names())
    }

    /// What fires the schedules of all queues, those of the code among them. Refuses schedules of jobs that no handler of
    /// this application does.
    pub(crate) fn scheduler(&self) -> anyhow::Result<Scheduler> {
        for schedule in &self.schedules {
            let (name, kind) = (schedule.name(), schedule.kind());
            anyhow::ensure!(
                self.handlers.handles(kind),
                "schedule {name} makes jobs of kind {kind}, which no handler does; add App::worker(…)"
            );
        }
        Ok(Scheduler::new(self.schedules()).declaring(self.application, self.schedules.clone()))
    }

    /// The worker, which takes jobs at once, and what brings its dead jobs to their topic.
    pub(crate) fn worker(&self) -> anyhow::Result<(Worker, DeadLetterForwarder)> {
        let Config { worker, smtp, webhook, .. } = &self.config;
        let state = self.state.clone();
        let mut state = state
            .with(self.producer.clone())
            .with(Outbox::new(self.producer.source()))
            .with(self.event_store())
            .with(self.trail().clone())
            .with(self.queues.clone())
            .with(self.database.clone())
            .with(self.sagas.clone())
            .with(Mailer::new(smtp)?)
            .with(Templates::new(smtp)?)
            .with(Webhooks::new(webhook)?)
            .with(Attachments::new(smtp, self.producer.claims().clone()))
            .with(Retention { letters: self.letters.clone(), keep: self.config.postgres.dead_letter_retention });
        if self.letters.is_some() {
            state = state.with(Suppressions::new(self.database.clone()));
        }
        let started = Worker::start(worker, &self.queues, self.handlers.clone(), state)?;
        let names = started.queues();
        let forwarder = DeadLetterForwarder {
            queues: names.iter().map(|name| self.queues.queue(name)).collect(),
            dead_letters: self.dead_letters.clone(),
            steps: self.dead_steps(),
        };
        Ok((started, forwarder))
    }
}

fn pool(config: &PostgresConfig) -> anyhow::Result<PgPool> {
    let wrong = "postgres.url cannot be read; it looks like postgres://user:password@127.0.0.1:5432/database";
    let mut options = PgConnectOptions::from_str(&config.url).context(wrong)?.application_name("millgate");
    if config.schema != "public" {
        options = options.options([("search_path", &config.schema)]);
    }
    let pool = PgPoolOptions::new().max_connections(config.pool_size).acquire_timeout(config.connect_timeout);
    Ok(pool.connect_lazy_with(options))
}

#[cfg(test)]
mod tests {
    use millgate_dashboard::access::HIDDEN;
    use millgate_derive::{Event, Job};
    use millgate_workers::{Ctx, Done, JobError};
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    use super::*;

    #[derive(Serialize, Deserialize, Event)]
    #[event(type = "card.used", key = "order")]
    struct CardUsed {
        order: u64,
        #[event(sensitive)]
        card_number: String,
    }

    #[derive(Serialize, Deserialize, Job)]
    #[job(queue = "cards")]
    struct Charge {
        card_number: String,
        #[job(sensitive)]
        pin: u16,
    }

    async fn charge(_: Charge, _: Ctx) -> Result<Done, JobError> {
        Ok(Done)
    }

    #[tokio::test]
    async fn what_is_marked_as_sensitive_is_shown_to_nobody() {
        let mut config = Config::default();
        config.dashboard.mask = vec!["holder".into()];
        let mask = Servers::new(App::new("cards").event::<CardUsed>().worker(charge), config).unwrap().site().mask;
        let mut event = json!({ "order": 7, "card_number": "4111", "pin": 1, "holder": "Ann" });
        let mut job = event.clone();
        mask.apply_to_event("card.used", &mut event);
        assert_eq!(event, json!({ "order": 7, "card_number": HIDDEN, "pin": 1, "holder": HIDDEN }));
        mask.apply_to_job("charge", Some("card.used"), &mut job);
        assert_eq!(job, json!({ "order": 7, "card_number": HIDDEN, "pin": HIDDEN, "holder": HIDDEN }));
    }

    #[tokio::test]
    async fn an_application_without_tables_has_no_dead_letters_in_a_database_that_nobody_named() {
        assert!(Servers::new(App::new("parcels"), Config::default()).unwrap().letters.is_none());
        let named = PostgresConfig { url: "postgres://db/parcels".into(), ..PostgresConfig::default() };
        let config = Config { postgres: named, ..Config::default() };
        assert!(Servers::new(App::new("parcels"), config).unwrap().letters.is_some());
    }
}
