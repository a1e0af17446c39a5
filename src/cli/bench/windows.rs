//! `millgate bench windows`: a keyed tumbling count, of records in memory and off Kafka.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use millgate_events::{Event, Headers, Holding, OutRecord, Record, TopicAdmin, TopicChange, TopicSpec, describe};
use millgate_streams::{
    Stage, StreamRunner,
    windows::{Aggregated, Count, Windows},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{clock, clock::seconds, figures::Figures, median::median, spent};
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
    /// Events in one measurement
    #[arg(long, value_name = "N", default_value_t = 500_000, value_parser = clap::value_parser!(u32).range(100..=100_000_000))]
    events: u32,
    /// Keys
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    keys: u32,
    /// Partitions of their topic
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1000))]
    partitions: u16,
}

/// What is read of an event of some 250 bytes.
#[derive(Serialize, Deserialize)]
struct Viewed {
    page_url: String,
}

impl Event for Viewed {
    const TYPE: &'static str = "bench.viewed";

    fn key(&self) -> String {
        self.page_url.clone()
    }
}

const PATIENCE: Duration = Duration::from_secs(30);
const BATCH: usize = 5_000;
/// Events are so far apart: a window of 5 minutes has 300,000.
const APART: i64 = 1;
const BEGIN: i64 = 1_700_000_100_000;

pub(super) async fn run(call: Call, args: Args) -> anyhow::Result<Outcome> {
    if cfg!(debug_assertions) {
        eprintln!("warning: this is a debug build; its figures say nothing about a release build");
    }
    let stop = stop_on_signal()?;
    let (app, mut config) = (call.app, call.configuration.config);
    let id = uuid::Uuid::new_v4().simple().to_string();
    config.postgres.url = args.postgres.clone().unwrap_or(config.postgres.url);
    config.postgres.schema = format!("bench_{id}");
    config.kafka.brokers = args.brokers.clone().unwrap_or(config.kafka.brokers);
    config.kafka.topic_prefix = format!("{}bench-{id}.", config.kafka.topic_prefix);
    config.kafka.consumer_group = format!("bench-{id}");
    config.kafka.auto_offset_reset = "earliest".into();
    config.streams.batch_size = BATCH;
    describe(&config.kafka, PATIENCE).await?;
    let rig = Rig { servers: Servers::new(app, config)?, args };
    rig.servers.postgres_version().await?;
    let mut figures = Figures::default();
    figures.note("events", json!(rig.args.events));
    figures.note("keys", json!(rig.args.keys));
    figures.note("partitions", json!(rig.args.partitions));
    let work = async {
        rig.open().await?;
        let mut runs = Vec::new();
        eprintln!("fold …");
        for run in 1..=3 {
            runs.push(rig.fold(run).await?);
        }
        figures.set("fold_per_s", median(runs));
        eprintln!("off Kafka …");
        rig.fill().await?;
        let (per_s, cpu_us) = rig.through().await?;
        figures.set("windows_per_s", per_s);
        figures.set("windows_cpu_us", cpu_us);
        anyhow::Ok(())
    };
    let measured = stop.run_until_cancelled(work).await;
    // Whatever came of it: what lies in PostgreSQL and Kafka is of no use to anybody.
    let closed = rig.close().await;
    measured.unwrap_or_else(|| Err(anyhow::anyhow!("interrupted; nothing is left in PostgreSQL and Kafka")))?;
    closed?;
    if call.json {
        println!("{}", figures.to_json());
    } else {
        println!("{} events of 250 bytes, {} keys, {} partitions", rig.args.events, rig.args.keys, rig.args.partitions);
        print!("{figures}");
    }
    Ok(Outcome::Well)
}

struct Rig {
    servers: Servers,
    args: Args,
}

impl Rig {
    async fn open(&self) -> anyhow::Result<()> {
        let create = format!("CREATE SCHEMA {}", self.servers.config.postgres.schema);
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&self.servers.database).await?;
        millgate_streams::migrate(&self.servers.database).await?;
        let spec = TopicSpec {
            name: Viewed::TOPIC.to_owned(),
            partitions: usize::from(self.args.partitions),
            replication: 1,
            retention: Some(Duration::from_hours(1)),
            compaction: false,
            min_insync_replicas: None,
        };
        let admin = TopicAdmin::new(&self.servers.config.kafka, PATIENCE)?;
        Ok(admin.apply(&[TopicChange::Create(spec)]).await?)
    }

    async fn close(&self) -> anyhow::Result<()> {
        let drop = format!("DROP SCHEMA IF EXISTS {} CASCADE", self.servers.config.postgres.schema);
        sqlx::raw_sql(AssertSqlSafe(drop)).execute(&self.servers.database).await?;
        let kafka = &self.servers.config.kafka;
        let admin = TopicAdmin::new(kafka, PATIENCE)?;
        if admin.list().await?.iter().any(|topic| topic.name == kafka.topic(Viewed::TOPIC)) {
            admin.delete(&[Viewed::TOPIC]).await?;
        }
        Ok(())
    }

    fn windows(&self, name: &str) -> Aggregated<Viewed, Count> {
        let windows = Windows::over::<Viewed>(name, &self.servers.stream_resources());
        windows.tumbling(Duration::from_mins(5)).by(|viewed| &viewed.page_url).count().into_table()
    }

    fn event(&self, number: u32) -> OutRecord {
        let page = format!("/page/{}", number.wrapping_mul(2_654_435_761) % self.args.keys);
        let value = json!({ "page_url": page, "user_id": number, "referrer": "https://example.org/", "padding": "x".repeat(150) });
        let time = chrono::DateTime::from_timestamp_millis(BEGIN + i64::from(number) * APART).unwrap_or_default();
        let time = time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        let mut headers = Headers::new();
        for (name, value) in [
            ("ce_specversion", "1.0".to_owned()),
            ("ce_id", number.to_string()),
            ("ce_source", "/bench".to_owned()),
            ("ce_type", Viewed::TYPE.to_owned()),
            ("ce_time", time),
            ("content-type", "application/json".to_owned()),
        ] {
            headers.push(name, value);
        }
        OutRecord {
            topic: Viewed::TOPIC.to_owned(),
            key: Some(page.into_bytes().into()),
            value: Some(value.to_string().into()),
            headers,
        }
    }

    /// Records in memory, through the stage, each batch in a transaction: what a processor does without Kafka.
    async fn fold(&self, run: u32) -> anyhow::Result<f64> {
        let topic: Arc<str> = Viewed::TOPIC.into();
        let records: Vec<Record> = (0..self.args.events)
            .map(|number| {
                let OutRecord { key, value, headers, .. } = self.event(number);
                let offset = i64::from(number);
                Record { topic: topic.clone(), partition: 0, offset, timestamp: None, key, value, headers }
            })
            .collect();
        let (stage, holding) = (self.windows(&format!("fold-{run}")).into_stage(), Holding::alone(&topic, 0));
        let mut connection = self.servers.database.acquire().await?;
        let mut state = stage.open(&holding, &mut connection).await?;
        let began = clock::now();
        for batch in records.chunks(BATCH) {
            let mut transaction = connection.begin().await?;
            stage.take(&mut state, batch, &mut transaction).await?;
            transaction.commit().await?;
            stage.taken(&mut state);
        }
        let per_s = f64::from(self.args.events) / seconds(began, clock::now());
        eprintln!("  run {run} of 3: {per_s:.0}");
        Ok(per_s)
    }

    async fn fill(&self) -> anyhow::Result<()> {
        let numbers: Vec<u32> = (0..self.args.events).collect();
        for some in numbers.chunks(BATCH) {
            let records = some.iter().map(|&number| self.event(number)).collect();
            for published in self.servers.producer.publish_records(records).await {
                published?;
            }
        }
        Ok(())
    }

    /// All events lie on Kafka; from the start of the stream until all are counted in PostgreSQL. Events a second, and microseconds
    /// of this process's processor time for each.
    async fn through(&self) -> anyhow::Result<(f64, f64)> {
        let (kafka, streams) = (&self.servers.config.kafka, &self.servers.config.streams);
        let runner =
            StreamRunner::start(self.windows("through").into(), kafka, streams, self.servers.database.clone())?;
        let (stats, stop) = (runner.stats(), CancellationToken::new());
        let running = tokio::spawn(runner.run(stop.clone()));
        let first = async {
            while stats.read().taken == 0 {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, first).await.context("nothing comes from Kafka")?;
        // Joining the group is not what is measured.
        let (began, spent, already) = (clock::now(), spent::processor()?, stats.read().taken);
        let all = async {
            while stats.read().taken < u64::from(self.args.events) {
                sleep(Duration::from_millis(1)).await;
            }
        };
        let longest = PATIENCE + Duration::from_secs(u64::from(self.args.events) / 100);
        timeout(longest, all).await.context("the stream does not get on")?;
        let events = f64::from(self.args.events) - f64::from(u32::try_from(already)?);
        let (ended, spent) = (clock::now(), spent::processor()?.saturating_sub(spent));
        stop.cancel();
        running.await??;
        let counted = sqlx::query_scalar("SELECT sum(events)::bigint FROM window_watermarks WHERE stream = 'through'");
        let counted: i64 = counted.fetch_one(&self.servers.database).await?;
        anyhow::ensure!(counted == i64::from(self.args.events), "{counted} of {} events count", self.args.events);
        let events = events.max(1.0);
        Ok((events / seconds(began, ended).max(1e-6), spent.as_secs_f64() * 1e6 / events))
    }
}
