//! `millgate bench audit`: how fast events come into the audit log, and how fast it is verified.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use millgate_events::{TopicAdmin, TopicChange, TopicSpec, describe};
use millgate_streams::{Audit, AuditLogs, AuditSettings, StreamRunner};
use serde_json::json;
use sqlx::AssertSqlSafe;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    clock::{self, seconds},
    figures::Figures,
    median::median,
    shipment::{TOPIC, publish},
};
use crate::{
    cli::{Call, Outcome},
    lifecycle::stop_on_signal,
    servers::Servers,
};

#[derive(clap::Args)]
pub(in crate::cli) struct Args {
    /// The brokers to measure, if they are not those of the configuration
    #[arg(long, value_name = "HOST:PORT")]
    brokers: Option<String>,
    /// The PostgreSQL to measure, if it is not that of the configuration
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    /// Events in one run
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    events: u32,
    /// Partitions of their topic
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1000))]
    partitions: u16,
}

const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(2);
const RUNS: usize = 3;

pub(super) async fn run(call: Call, args: Args) -> anyhow::Result<Outcome> {
    if cfg!(debug_assertions) {
        eprintln!("warning: this is a debug build; its figures say nothing about a release build");
    }
    let stop = stop_on_signal()?;
    let (app, mut config) = (call.app, call.configuration.config);
    let id = uuid::Uuid::new_v4().simple().to_string();
    config.postgres.url = args.postgres.unwrap_or(config.postgres.url);
    config.postgres.schema = format!("bench_{id}");
    config.kafka.brokers = args.brokers.unwrap_or(config.kafka.brokers);
    config.kafka.topic_prefix = format!("{}bench-{id}.", config.kafka.topic_prefix);
    config.kafka.consumer_group = format!("bench-{id}");
    config.kafka.auto_offset_reset = "earliest".into();
    describe(&config.kafka, PATIENCE).await?;
    let rig = Rig { servers: Servers::new(app, config)?, events: args.events };
    rig.servers.postgres_version().await?;
    let mut figures = Figures::default();
    figures.note("events", json!(args.events));
    figures.note("partitions", json!(args.partitions));
    let work = async {
        rig.open(usize::from(args.partitions)).await?;
        measure(&rig, &mut figures).await
    };
    let measured = stop.run_until_cancelled(work).await;
    // Whatever came of it: what lies in PostgreSQL and Kafka is of no use to anybody.
    let closed = rig.close().await;
    measured.unwrap_or_else(|| Err(anyhow::anyhow!("interrupted; nothing is left in PostgreSQL and Kafka")))?;
    closed?;
    if call.json {
        println!("{}", figures.to_json());
    } else {
        println!("{} events of 250 bytes, {} partitions", args.events, args.partitions);
        print!("{figures}");
    }
    Ok(Outcome::Well)
}

struct Rig {
    servers: Servers,
    events: u32,
}

async fn measure(rig: &Rig, figures: &mut Figures) -> anyhow::Result<()> {
    let database = &rig.servers.database;
    eprintln!("recording …");
    publish(&rig.servers.producer, rig.events, clock::now()).await?;
    let mut runs = Vec::new();
    for run in 1..=RUNS {
        let per_s = record(rig, run).await?;
        eprintln!("  run {run} of {RUNS}: {per_s:.0}");
        runs.push(per_s);
    }
    figures.set("recorded_per_s", median(runs));
    eprintln!("verifying …");
    let began = clock::now();
    let report = AuditLogs::new(database.clone()).verify(None, &[], |_, _| ()).await?;
    anyhow::ensure!(report.flaws == 0, "{:?}", report.findings);
    anyhow::ensure!(report.entries == u64::from(rig.events), "{} entries, of {}", report.entries, rig.events);
    figures.set("verified_per_s", f64::from(rig.events) / seconds(began, clock::now()));
    let size = "SELECT sum(pg_total_relation_size(inhrelid))::float8 FROM pg_inherits WHERE inhparent = 'audit_logs'::regclass";
    let size: f64 = sqlx::query_scalar(size).fetch_one(database).await?;
    figures.set("bytes_per_entry", size / f64::from(rig.events));
    Ok(())
}

/// All events are on their topic, then a stream begins with empty tables; from the first that is recorded to the last.
async fn record(rig: &Rig, run: usize) -> anyhow::Result<f64> {
    let database = &rig.servers.database;
    rig.empty().await?;
    let settings = AuditSettings {
        topic_prefix: rig.servers.config.kafka.topic_prefix.clone(),
        topics: vec![TOPIC.to_owned()],
        dead_letter_topics: Vec::new(),
        hide: Arc::new(|_, _, _| false),
    };
    let audit = Arc::new(Audit::default().user("customer"));
    // A group of its own: it begins at the beginning.
    let group = format!("{}-{run}", rig.servers.config.kafka.consumer_group);
    let kafka = millgate_events::KafkaConfig { consumer_group: group, ..rig.servers.config.kafka.clone() };
    let runner = StreamRunner::start(audit.stream(settings), &kafka, &rig.servers.config.streams, database.clone())?;
    let (stats, stop) = (runner.stats(), CancellationToken::new());
    let running = tokio::spawn(runner.run(stop.clone()));
    let all = u64::from(rig.events);
    let longest = PATIENCE + Duration::from_secs(all / 100);
    let recorded = timeout(longest, async {
        while stats.read().taken == 0 {
            sleep(LOOK).await;
        }
        let (began, first) = (clock::now(), stats.read().taken);
        while stats.read().taken < all {
            sleep(LOOK).await;
        }
        (first, seconds(began, clock::now()))
    });
    let recorded = recorded.await.context("the audit does not get on");
    stop.cancel();
    running.await??;
    let (first, time) = recorded?;
    let rest = u32::try_from(all.saturating_sub(first)).unwrap_or(u32::MAX);
    Ok(if rest == 0 { f64::from(rig.events) / LOOK.as_secs_f64() } else { f64::from(rest) / time })
}

impl Rig {
    async fn open(&self, partitions: usize) -> anyhow::Result<()> {
        let spec = TopicSpec {
            name: TOPIC.to_owned(),
            partitions,
            replication: 1,
            retention: Some(Duration::from_hours(1)),
            compaction: false,
            min_insync_replicas: None,
        };
        Ok(TopicAdmin::new(&self.servers.config.kafka, PATIENCE)?.apply(&[TopicChange::Create(spec)]).await?)
    }

    /// Makes the tables anew.
    async fn empty(&self) -> anyhow::Result<()> {
        let schema = &self.servers.config.postgres.schema;
        let create = format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}");
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&self.servers.database).await?;
        millgate_streams::migrate(&self.servers.database).await?;
        Ok(())
    }

    async fn close(&self) -> anyhow::Result<()> {
        let drop = format!("DROP SCHEMA IF EXISTS {} CASCADE", self.servers.config.postgres.schema);
        sqlx::raw_sql(AssertSqlSafe(drop)).execute(&self.servers.database).await?;
        let kafka = &self.servers.config.kafka;
        let admin = TopicAdmin::new(kafka, PATIENCE)?;
        if admin.list().await?.iter().any(|topic| topic.name == kafka.topic(TOPIC)) {
            admin.delete(&[TOPIC]).await?;
        }
        Ok(())
    }
}
