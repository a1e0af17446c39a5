//! `millgate bench relay`: the figures of the way from a commit to Kafka.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context;
use millgate_events::{
    Consumer, ConsumerConfig, KafkaConfig, Outbox, OutboxStore, Relay, RelayStats, TopicAdmin, TopicChange, TopicSpec,
    describe,
};
use serde_json::json;
use sqlx::AssertSqlSafe;
use tokio::{
    task::JoinHandle,
    time::{interval, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    clock::{self, Micros, seconds},
    figures::{Figures, rounded},
    median::{Percentiles, median},
    shipment::{Shipment, TOPIC},
};
use crate::{
    cli::{Call, Outcome},
    lifecycle::stop_on_signal,
    servers::Servers,
};

#[derive(clap::Args)]
pub(in crate::cli) struct Args {
    /// Measure only this
    #[arg(long, value_name = "NAME")]
    only: Option<Measurement>,
    /// The brokers to measure, if they are not those of the configuration
    #[arg(long, value_name = "HOST:PORT")]
    brokers: Option<String>,
    /// The PostgreSQL to measure, if it is not that of the configuration
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    /// Events in one measurement
    #[arg(long, value_name = "N", default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    events: u32,
    /// Partitions of their topic
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1000))]
    partitions: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Measurement {
    Through,
    Latency,
}

const PATIENCE: Duration = Duration::from_secs(30);
const PER_S: u32 = 200;
/// Events of the latency, below so many in all: less in proportion.
const FULL: u32 = 20_000;
const TIME: Duration = Duration::from_secs(5);
/// Events in one transaction, when the outbox is filled.
const STEP: usize = 1_000;
const LOOK: Duration = Duration::from_millis(2);

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
        measure(&rig, args.only, &mut figures).await
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
        if let Some(per_s) = figures.get("events_per_s") {
            println!("{:<46}{per_s:.0} events/s", "from the outbox to Kafka, 1 relay");
        }
        if let Some(text) = figures.percentiles("latency_ms") {
            println!("{:<46}{text} ms", "committed to read from Kafka, at 200 events/s");
        }
    }
    Ok(Outcome::Well)
}

async fn measure(rig: &Rig, only: Option<Measurement>, figures: &mut Figures) -> anyhow::Result<()> {
    let wanted = |measurement| only.is_none_or(|only| only == measurement);
    let mut on_topic = 0;
    if wanted(Measurement::Through) {
        eprintln!("through …");
        let mut runs = Vec::new();
        for run in 1..=3 {
            let per_s = through(rig).await?;
            eprintln!("  run {run} of 3: {per_s:.0}");
            runs.push(per_s);
        }
        on_topic = runs.len() * rig.events as usize;
        figures.set("events_per_s", median(runs));
    }
    if wanted(Measurement::Latency) {
        eprintln!("latency …");
        let times = latency(rig, on_topic).await?;
        figures.note("latency_samples", json!(times.len()));
        let longest = times.iter().copied().fold(0.0, f64::max);
        figures.set_percentiles("latency_ms", Percentiles::of(times));
        figures.note("latency_max_ms", json!(rounded(longest)));
    }
    Ok(())
}

/// A schema and a topic of the bench's own.
struct Rig {
    servers: Servers,
    events: u32,
}

/// A relay in this process.
struct Running {
    stats: Arc<RelayStats>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    async fn end(self) -> anyhow::Result<()> {
        self.stop.cancel();
        Ok(self.task.await?)
    }
}

impl Rig {
    async fn open(&self, partitions: usize) -> anyhow::Result<()> {
        let create = format!("CREATE SCHEMA {}", self.servers.config.postgres.schema);
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&self.servers.database).await?;
        millgate_events::migrate(&self.servers.database).await?;
        let spec = TopicSpec {
            name: TOPIC.to_owned(),
            partitions,
            replication: 1,
            retention: Some(Duration::from_hours(1)),
            compaction: false,
            min_insync_replicas: None,
        };
        Ok(TopicAdmin::new(self.kafka(), PATIENCE)?.apply(&[TopicChange::Create(spec)]).await?)
    }

    async fn close(&self) -> anyhow::Result<()> {
        let drop = format!("DROP SCHEMA IF EXISTS {} CASCADE", self.servers.config.postgres.schema);
        sqlx::raw_sql(AssertSqlSafe(drop)).execute(&self.servers.database).await?;
        let admin = TopicAdmin::new(self.kafka(), PATIENCE)?;
        let there = admin.list().await?;
        if there.iter().any(|topic| topic.name == self.kafka().topic(TOPIC)) {
            admin.delete(&[TOPIC]).await?;
        }
        Ok(())
    }

    fn kafka(&self) -> &KafkaConfig {
        &self.servers.config.kafka
    }

    fn relay(&self) -> Running {
        let relay: Relay = self.servers.relay();
        let (stats, stop) = (relay.stats(), CancellationToken::new());
        Running { stats, task: tokio::spawn(relay.run(stop.clone())), stop }
    }

    /// Appends events, many in a transaction.
    async fn fill(&self, count: u32) -> anyhow::Result<()> {
        let events: Vec<_> = (0..count).map(|number| Shipment::new(number, 0)).collect();
        let outbox = Outbox::new("/bench");
        for events in events.chunks(STEP) {
            let mut transaction = self.servers.database.begin().await?;
            outbox.append_all(&mut transaction, events).await?;
            transaction.commit().await?;
        }
        Ok(())
    }
}

/// All events lie in the outbox, then a relay begins. It counts what is on Kafka and deletes it; the end is when all is.
async fn through(rig: &Rig) -> anyhow::Result<f64> {
    rig.fill(rig.events).await?;
    let began = clock::now();
    let relay = rig.relay();
    let published = async {
        while relay.stats.published() < u64::from(rig.events) {
            sleep(LOOK).await;
        }
        let store = OutboxStore::new(rig.servers.database.clone());
        while store.backlog().await?.waiting > 0 {
            sleep(LOOK).await;
        }
        anyhow::Ok(())
    };
    // A rate of a hundred a second would be no figure at all.
    let longest = PATIENCE + Duration::from_secs(u64::from(rig.events) / 100);
    timeout(longest, published).await.context("the relay does not get on")??;
    let per_s = f64::from(rig.events) / seconds(began, clock::now());
    let published = relay.stats.published();
    relay.end().await?;
    anyhow::ensure!(published == u64::from(rig.events), "{} events were published {published} times", rig.events);
    Ok(per_s)
}

/// Transactions of one event each, from the return of their commits until a consumer has their records. In milliseconds.
/// `on_topic` events are there already.
async fn latency(rig: &Rig, on_topic: usize) -> anyhow::Result<Vec<f64>> {
    let relay = rig.relay();
    let time = TIME * rig.events.min(FULL) / FULL;
    let count = (u32::try_from(time.as_millis()).unwrap_or(u32::MAX) * PER_S / 1000).max(1);
    let mut consumer = Consumer::start(ConsumerConfig {
        kafka: rig.kafka().clone(),
        topics: vec![TOPIC.to_owned()],
        batch_size: 500,
        buffer_bytes: 1024 * 1024,
        commit_interval: Duration::from_secs(1),
        drain_timeout: Duration::from_secs(1),
    })?;
    // Brought under way by one that is not measured, after all that the other measurement left on the topic.
    let mut left = on_topic + 1;
    commit(rig, 0).await?;
    until_read(&mut consumer, |_, _| {
        left = left.saturating_sub(1);
        left == 0
    })
    .await?;

    let (committed, writers) = (Arc::new(Mutex::new(vec![None; count as usize + 1])), TaskTracker::new());
    let mut arrived: Vec<Option<Micros>> = vec![None; count as usize + 1];
    let writing = async {
        let mut ticks = interval(Duration::from_secs(1) / PER_S);
        for number in 1..=count {
            ticks.tick().await;
            // Not waited for: one that is slow must not slow down those that come.
            let (database, committed) = (rig.servers.database.clone(), committed.clone());
            writers.spawn(async move {
                let mut transaction = database.begin().await?;
                Outbox::new("/bench").append(&mut transaction, &Shipment::new(number, -i64::from(number))).await?;
                transaction.commit().await?;
                let mut committed = committed.lock().unwrap_or_else(PoisonError::into_inner);
                committed[number as usize] = Some(clock::now());
                anyhow::Ok(())
            });
        }
    };
    let mut missing = count;
    let reading = until_read(&mut consumer, |at, now| {
        // Numbers are told as what is below zero.
        let place = usize::try_from(-at).ok().filter(|place| (1..arrived.len()).contains(place));
        if let Some(place) = place
            && arrived[place].replace(now).is_none()
        {
            missing -= 1;
        }
        missing == 0
    });
    let ((), read) = tokio::join!(writing, reading);
    read?;
    writers.close();
    writers.wait().await;
    consumer.close().await?;
    relay.end().await?;
    let committed = committed.lock().unwrap_or_else(PoisonError::into_inner);
    let times = committed.iter().zip(&arrived).filter_map(|(from, to)| Some(seconds((*from)?, (*to)?) * 1000.0));
    // A record may be read before its writer hears that it has committed.
    let times: Vec<f64> = times.map(|time| time.max(0.0)).collect();
    anyhow::ensure!(times.len() == count as usize, "{} of {count} events were measured", times.len());
    Ok(times)
}

async fn commit(rig: &Rig, at: Micros) -> anyhow::Result<()> {
    let mut transaction = rig.servers.database.begin().await?;
    Outbox::new("/bench").append(&mut transaction, &Shipment::new(0, at)).await?;
    Ok(transaction.commit().await?)
}

/// Reads events until one is the last, and tells when each was read.
async fn until_read(consumer: &mut Consumer, mut is_last: impl FnMut(Micros, Micros) -> bool) -> anyhow::Result<()> {
    loop {
        let batch = timeout(2 * PATIENCE, consumer.next()).await.context("nothing comes from Kafka")?;
        let batch = batch.context("the consumer has ended")?;
        let now = clock::now();
        let mut last = false;
        for record in &batch.records {
            let shipment: Shipment = serde_json::from_slice(record.value.as_deref().unwrap_or_default())?;
            last |= is_last(shipment.due_us, now);
        }
        batch.token.settle();
        if last {
            return Ok(());
        }
    }
}
