//! `millgate dev`: all roles in one process, on servers in memory unless URLs name real ones.

mod balance;
mod dead_letter_view;
#[cfg(feature = "embedded")]
mod embedded;
#[cfg(feature = "embedded")]
mod mail_catcher;
mod screen;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use millgate_events::TopicAdmin;
use millgate_streams::StreamRunner;
use millgate_workers::inventory;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    App,
    app::Configuration,
    config::{Config, Origin, Setting},
    dashboard::Dashboard,
    health::{Health, Probe},
    http::HttpServer,
    lifecycle::stop_on_signal,
    reporter::Reporting,
    servers::Servers,
};
use balance::{Balance, Observer};
use dead_letter_view::DeadLetterView;
use screen::Screen;

/// What to do.
pub(crate) struct Plan {
    /// Settle, balance, and clean up.
    pub(crate) demo: bool,
    /// Go on until told to stop.
    pub(crate) stay: bool,
    /// Publish the application's sample traffic.
    pub(crate) samples: bool,
}

/// When nothing has happened for so long, nothing will: a demo that has not settled by then does not balance either.
const STANDSTILL: Duration = Duration::from_mins(2);
const FRAME: Duration = Duration::from_millis(250);

/// Runs it all; `true` if the books balance (without a demo: always).
pub(crate) async fn run(app: App, configuration: Configuration, plan: Plan) -> anyhow::Result<bool> {
    let began = Instant::now();
    let stop = stop_on_signal()?;
    let Configuration { mut config, settings } = configuration;
    let has_tables_for_streams = !is_default(&settings, "postgres.url");
    let mails = embed(&mut config, &settings)?;
    let own = if plan.demo { isolate(&mut config, &settings) } else { OwnNames::default() };
    let claims = own_claims(&mut config, &settings);
    let mut servers = Servers::new(app, config)?;
    if !has_tables_for_streams {
        let left_out = servers.leave_out_streams();
        if !left_out.is_empty() {
            let (those, need) = if left_out.len() == 1 { ("stream", "it needs") } else { ("streams", "they need") };
            println!(
                "without the {those} {}: {need} tables that the PostgreSQL in memory cannot have; set postgres.url \
                (MILLGATE_POSTGRES_URL) to a real one",
                left_out.join(", ")
            );
        }
    }
    if claims.is_some() {
        servers.producer.claims().init().await?;
    }
    let admin = TopicAdmin::new(&servers.config.kafka, Duration::from_secs(10))?;
    let changes = admin.plan(&servers.topic_specs()).await?;
    let (losing, harmless): (Vec<_>, Vec<_>) = changes.into_iter().partition(|change| change.loses().is_some());
    for change in &losing {
        println!("not made, since records would be lost: {change}");
    }
    admin.apply(&harmless).await?;
    servers.migrate().await.context("the tables cannot be created")?;

    // The event store needs more of PostgreSQL than the one in memory can do.
    let projects = !servers.projections.is_empty() && !is_default(&settings, "postgres.url");
    if !servers.projections.is_empty() && !projects {
        println!("projections are not run: they need a real PostgreSQL, postgres.url");
    }
    let roles = Roles::start(&servers, &stop, projects).await?;
    let dead_letters = DeadLetterView::start(&servers.config, &servers.dead_letter_topics.names(), plan.demo)?;
    let observer = Observer {
        servers: &servers,
        bridge: roles.bridge.clone(),
        relay: roles.relay.clone(),
        mails,
        dead_letters: &dead_letters,
    };
    if let Some(http) = &roles.http {
        println!("metrics and health at http://{}: /metrics, /healthz, /readyz", http.address);
    }
    println!("dashboard at {}", roles.dashboard);
    println!("ready in {:.1} s\n", began.elapsed().as_secs_f64());

    let mut well = true;
    if plan.demo {
        well = demo(&observer, &servers, &stop).await?;
    } else if let (true, Some(samples)) = (plan.samples, &servers.samples) {
        let publish = samples(servers.producer.clone(), servers.database.clone());
        publish.await.map_err(|error| anyhow::anyhow!("the samples were not published: {error}"))?;
    }
    if plan.stay && !stop.is_cancelled() {
        println!("going on until Ctrl-C");
        let mut screen = Screen::new();
        while stop.run_until_cancelled(tokio::time::sleep(FRAME)).await.is_some() {
            screen.show(&observer.look(None).await?.lines());
        }
    }
    stop.cancel();
    roles.end().await;
    servers.trail().close().await;
    dead_letters.close().await;
    clean_up(&own, &servers, &admin).await?;
    if let Some(folder) = claims {
        std::fs::remove_dir_all(folder)?;
    }
    Ok(well)
}

/// Publishes the samples, watches until everything is settled, and says whether the books balance.
async fn demo(observer: &Observer<'_>, servers: &Servers, stop: &CancellationToken) -> anyhow::Result<bool> {
    let Some(samples) = &servers.samples else {
        println!("this application has no sample traffic; add App::samples(…)");
        return Ok(true);
    };
    let mut publishing = tokio::spawn(samples(servers.producer.clone(), servers.database.clone()));
    let mut published = None;
    let mut screen = Screen::new();
    let (mut seen, mut since) = (Vec::new(), Instant::now());
    let last = loop {
        if published.is_none() {
            if let Ok(done) = tokio::time::timeout(FRAME, &mut publishing).await {
                let count = done?.map_err(|error| anyhow::anyhow!("the samples were not published: {error}"))?;
                published = Some(count);
            }
        } else if stop.run_until_cancelled(tokio::time::sleep(FRAME)).await.is_none() {
            return Ok(false);
        }
        let balance: Balance = observer.look(published).await?;
        let lines = balance.lines();
        screen.show(&lines);
        if balance.is_settled() || since.elapsed() > STANDSTILL {
            break balance;
        }
        if lines != seen {
            (seen, since) = (lines, Instant::now());
        }
    };
    for line in observer.dead_letters.lines() {
        println!("{line}");
    }
    println!();
    let checks = last.checks();
    for check in &checks {
        println!("{check}");
    }
    Ok(checks.iter().all(|check| check.holds))
}

/// The roles of production, in this process.
struct Roles {
    tasks: JoinSet<anyhow::Result<()>>,
    stop: CancellationToken,
    bridge: std::sync::Arc<millgate_bridge::BridgeStats>,
    relay: Option<std::sync::Arc<millgate_events::RelayStats>>,
    http: Option<HttpServer>,
    /// Its address.
    dashboard: String,
    reporting: Reporting,
}

impl Roles {
    /// Starts them. `told` is to fire when an operator tells the process to stop.
    async fn start(servers: &Servers, told: &CancellationToken, projects: bool) -> anyhow::Result<Self> {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let bridges = servers.readers.iter().map(|reader| servers.bridge(reader)).collect::<Result<Vec<_>, _>>()?;
        // The main group's, which reads every event.
        let stats = bridges.first().map(millgate_bridge::Bridge::stats).unwrap_or_default();
        let (worker, forwarder) = servers.worker()?;
        let scheduler = servers.scheduler()?;
        // Without a database there is no outbox.
        let relay = servers.outbox().map(|_| servers.relay());
        let relay = relay.map(|relay| {
            let (stats, stopped) = (relay.stats(), stop.clone());
            tasks.spawn(async move {
                relay.run(stopped).await;
                Ok(())
            });
            stats
        });
        // Without sagas there is nothing to orchestrate.
        let orchestrator = servers.sagas().map(|_| servers.orchestrator()).transpose()?;
        let mut health = Health::new(servers, stop.clone());
        let mut counted = Vec::new();
        let mut roles = vec!["bridge", "worker", "scheduler", "relay", "dashboard"];
        if servers.has_streams() {
            roles.push("streams");
        }
        roles.extend(orchestrator.as_ref().map(|_| "saga"));
        let mut reporter = servers.reporter(&roles, told);
        reporter.of_worker(&worker, servers.handlers.versions());
        for (reader, bridge) in servers.readers.iter().zip(&bridges) {
            health.of_bridge(bridge, reader);
            reporter.of_bridge(bridge, reader);
            counted.push((reader.kafka.consumer_group.clone(), bridge.stats()));
        }
        let mut streams = Vec::new();
        for stream in servers.streams() {
            let topic = stream.topics().first().cloned();
            let runner =
                StreamRunner::start(stream, &servers.config.kafka, &servers.config.streams, servers.database.clone())?;
            health.of_stream(&runner, &servers.config.kafka, topic.as_deref());
            reporter.of_stream(&runner);
            streams.push(runner);
        }
        health.of_worker(&worker);
        health.of_scheduler(&scheduler);
        if projects {
            let (runner, stopped) = (servers.projection_runner(), stop.clone());
            health.of_projections(&runner, Probe::postgres(&servers.database));
            tasks.spawn(async move {
                runner.run(stopped).await;
                Ok(())
            });
        }
        if let Some(orchestrator) = &orchestrator {
            health.of_orchestrator(orchestrator, servers);
        }
        let health = Arc::new(health);
        let metrics = || {
            let metrics = servers.metrics(&roles, counted.clone()).of_streams(&streams);
            relay.iter().fold(metrics, |metrics, relay| metrics.with_relay(relay.clone()))
        };
        let dashboard = Dashboard::bind(servers, health.clone(), metrics()).await?;
        let http = HttpServer::start(&servers.config.http, health.clone(), metrics()).await?;
        let reporting = reporter.start(Some(health));
        let url = dashboard.url();
        tasks.spawn(dashboard.serve(stop.clone()));
        let stopped = stop.clone();
        tasks.spawn(async move {
            scheduler.run(stopped).await;
            Ok(())
        });
        let following = servers.follow_routes(stop.clone());
        tasks.spawn(async move {
            following.await;
            Ok(())
        });
        for runner in streams {
            let stopped = stop.clone();
            tasks.spawn(async move { Ok(runner.run(stopped).await?) });
        }
        if let Some(orchestrator) = orchestrator {
            let stopped = stop.clone();
            tasks.spawn(async move { Ok(orchestrator.run(stopped).await?) });
        }
        for bridge in bridges {
            let stopped = stop.clone();
            tasks.spawn(async move { Ok(bridge.run(stopped).await?) });
        }
        let stopped = stop.clone();
        tasks.spawn(async move {
            worker.run(stopped).await;
            Ok(())
        });
        let stopped = stop.clone();
        tasks.spawn(async move {
            forwarder.run(stopped).await;
            Ok(())
        });
        Ok(Self { tasks, stop, bridge: stats, relay, http, dashboard: url, reporting })
    }

    async fn end(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => eprintln!("error: {error:#}"),
                Err(panic) => eprintln!("error: {panic}"),
            }
        }
        self.reporting.end().await;
    }
}

fn is_default(settings: &[Setting], key: &str) -> bool {
    settings.iter().any(|setting| setting.key.to_string() == key && setting.origin == Origin::Default)
}

/// The names that a demo chose for itself, and may remove.
#[derive(Default)]
struct OwnNames {
    topics: bool,
    keys: bool,
    schema: bool,
}

/// A demo has names of its own, so that its books are its own, and so that it can clean up after itself.
fn isolate(config: &mut Config, settings: &[Setting]) -> OwnNames {
    let id: String = uuid::Uuid::new_v4().simple().to_string().chars().take(8).collect();
    let own = OwnNames {
        topics: is_default(settings, "kafka.topic_prefix"),
        keys: is_default(settings, "redis.prefix"),
        // In memory there is no schema but the one, and nothing to clean up.
        schema: is_default(settings, "postgres.schema") && !is_default(settings, "postgres.url"),
    };
    if own.topics {
        config.kafka.topic_prefix = format!("demo-{id}.");
    }
    if is_default(settings, "kafka.consumer_group") {
        config.kafka.consumer_group = format!("demo-{id}");
    }
    if own.keys {
        config.redis.prefix = format!("demo-{id}");
    }
    if own.schema {
        config.postgres.schema = format!("demo_{id}");
    }
    own
}

/// A folder for large values where nobody named a store: here whoever publishes is the one who consumes.
fn own_claims(config: &mut Config, settings: &[Setting]) -> Option<PathBuf> {
    let folder = std::env::temp_dir().join(format!("millgate-claims-{}", uuid::Uuid::new_v4().simple()));
    is_default(settings, "claim_check.store").then(|| {
        config.claim_check.store = format!("file://{}", folder.display());
        folder
    })
}

/// Removes what the demo made under names of its own.
async fn clean_up(own: &OwnNames, servers: &Servers, admin: &TopicAdmin) -> anyhow::Result<()> {
    if own.topics {
        let specs = servers.topic_specs();
        let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
        admin.delete(&names).await?;
    }
    if own.keys {
        for queue in servers.queue_names() {
            servers.queues.queue(&queue).obliterate().await?;
        }
        for reader in servers.readers.iter() {
            for topic in reader.routes.topics() {
                servers.queues.events(reader.name, topic).obliterate().await?;
            }
        }
        servers.queues.processes().obliterate().await?;
        servers.queues.action_log().obliterate().await?;
        servers.queues.read_model(inventory::READ_MODEL).remove().await?;
    }
    if own.schema {
        let drop = format!("DROP SCHEMA \"{}\" CASCADE", servers.config.postgres.schema);
        sqlx::raw_sql(sqlx::AssertSqlSafe(drop)).execute(&servers.database).await?;
    }
    Ok(())
}

/// Counts of the mails that arrived, where we run the mail server.
type Mails = Option<std::sync::Arc<std::sync::atomic::AtomicU64>>;

/// Starts in-memory servers for those that nobody named.
#[cfg(feature = "embedded")]
fn embed(config: &mut Config, settings: &[Setting]) -> anyhow::Result<Mails> {
    embedded::start(config, &|key| is_default(settings, key))
}

#[cfg(not(feature = "embedded"))]
fn embed(_: &mut Config, settings: &[Setting]) -> anyhow::Result<Mails> {
    let urls = [
        ("kafka.brokers", "KAFKA_BROKERS"),
        ("redis.url", "MILLGATE_REDIS_URL"),
        ("postgres.url", "MILLGATE_POSTGRES_URL"),
        ("smtp.url", "MILLGATE_SMTP_URL"),
    ];
    let missing: Vec<&str> =
        urls.iter().filter(|(key, _)| is_default(settings, key)).map(|(_, variable)| *variable).collect();
    anyhow::ensure!(
        missing.is_empty(),
        "this build has no servers in memory: set {}, or build with --features embedded",
        missing.join(", ")
    );
    Ok(None)
}
