//! `millgate bench bridge`: the figures of the way from an event to its job.

use std::{fmt, time::Duration};

use millgate_events::describe;
use millgate_jobs::QueueError;
use serde_json::json;
use tokio::time::interval;

use super::{
    bridge_rig::BridgeRig,
    clock::{self, seconds},
    figures::Figures,
    median::{Percentiles, median},
    order::{BridgeReport, Report},
    rig::Rig,
    shipment::{self, Shipment},
    trail::BenchTrail,
};
use crate::{
    cli::{Call, Outcome},
    lifecycle::stop_on_signal,
};

#[derive(clap::Args)]
pub(in crate::cli) struct Args {
    /// Measure only this
    #[arg(long, value_name = "NAME")]
    only: Option<Measurement>,
    /// The brokers to measure, if they are not those of the configuration
    #[arg(long, value_name = "HOST:PORT")]
    brokers: Option<String>,
    /// The Redis to measure, if it is not that of the configuration
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// Events in one measurement
    #[arg(long, value_name = "N", default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    events: u32,
    /// Bridge and worker take notes for the trail, in the PostgreSQL of the configuration
    #[arg(long)]
    trail: bool,
    /// Partitions of their topic
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1000))]
    partitions: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Measurement {
    HandOff,
    Through,
    Latency,
}

/// For the brokers to answer at all.
const PATIENCE: Duration = Duration::from_secs(10);
const PER_S: u32 = 200;
const TIME: Duration = Duration::from_secs(5);
/// Length of a job's arguments.
const JOB_BYTES: u32 = 200;

pub(super) async fn run(call: Call, args: Args) -> anyhow::Result<Outcome> {
    if cfg!(debug_assertions) {
        eprintln!("warning: this is a debug build; its figures say nothing about a release build");
    }
    let stop = stop_on_signal()?;
    let mut config = call.configuration.config;
    config.redis.url = args.redis.unwrap_or(config.redis.url);
    config.kafka.brokers = args.brokers.unwrap_or(config.kafka.brokers);
    describe(&config.kafka, PATIENCE).await?;
    let mut rig = match Rig::open(&config.redis, &config.worker, &config.log.level, (args.events, JOB_BYTES)).await {
        Ok(rig) => rig,
        Err(error @ QueueError::Url(_)) => return Ok(Outcome::Misunderstood(error.to_string())),
        Err(error) => return Err(error.into()),
    };
    let mut figures = Figures::default();
    figures.note("redis_version", json!(rig.info.version));
    figures.note("appendonly", json!(rig.info.append_only));
    figures.note("events", json!(args.events));
    figures.note("partitions", json!(args.partitions));
    if args.trail {
        rig.trail = Some(BenchTrail::open(&config.postgres, &config.trail).await?);
    }
    let trail = rig.trail.clone();
    let rig = BridgeRig::new(rig, &config.kafka, &config.bridge, usize::from(args.partitions));
    let measured = stop.run_until_cancelled(measure(&rig, args.only, &mut figures)).await;
    // Whatever came of it: what lies on the servers is of no use to anybody.
    let closed = rig.close().await;
    if let Some(trail) = trail {
        let noted = trail.noted().await;
        trail.close().await?;
        let noted = noted?;
        figures.note("trail_events", json!(noted.events));
        figures.note("trail_runs", json!(noted.runs));
        figures.note("trail_dropped", json!(noted.dropped));
    }
    measured.unwrap_or_else(|| Err(anyhow::anyhow!("interrupted; nothing is left on the servers")))?;
    closed?;
    if call.json {
        println!("{}", figures.to_json());
    } else {
        println!("{} events of 250 bytes, {} partitions\n{figures}", args.events, args.partitions);
    }
    Ok(Outcome::Well)
}

async fn measure(rig: &BridgeRig, only: Option<Measurement>, figures: &mut Figures) -> anyhow::Result<()> {
    let wanted = |measurement| only.is_none_or(|only| only == measurement);
    if wanted(Measurement::HandOff) {
        let runs = rig.rig.repeat("hand-off", async || hand_off(rig).await).await?;
        let of = |figure: fn(&HandedOff) -> f64| median(runs.iter().map(figure).collect());
        figures.set("handoff_per_s", of(|run| run.per_s));
        figures.set("handoff_cpu_us_per_event", of(|run| run.cpu_us));
        figures.set("rss_mb", of(|run| run.peak_mb));
    }
    if wanted(Measurement::Through) {
        let runs = rig.rig.repeat("from Kafka to done", async || through(rig).await).await?;
        figures.set("events_per_s", median(runs.iter().map(|run| run.per_s).collect()));
        figures.set("cpu_s_per_100k_events", median(runs.iter().map(|run| run.cpu_s_per_100k).collect()));
    }
    if wanted(Measurement::Latency) {
        eprintln!("latency …");
        figures.set_percentiles("latency_ms", latency(rig).await?);
    }
    Ok(())
}

struct HandedOff {
    per_s: f64,
    cpu_us: f64,
    peak_mb: f64,
}

impl fmt::Display for HandedOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.per_s.fmt(f)
    }
}

/// All events lie on their topic, then a bridge begins.
#[expect(clippy::cast_precision_loss, reason = "jobs are counted, not weighed")]
async fn hand_off(rig: &BridgeRig) -> anyhow::Result<HandedOff> {
    let line = rig.line().await?;
    let events = rig.rig.jobs;
    shipment::publish(&line.producer, events, clock::now()).await?;
    let mut bridge = rig.bridge(&line).await?;
    bridge.go().await?;
    // To join the group takes seconds, which are not measured.
    let first = rig.rig.until(|stats| stats.enqueued() > 0).await?.enqueued();
    let began = clock::now();
    let last = rig.rig.until(|stats| stats.enqueued() >= u64::from(events)).await?.enqueued();
    let ended = clock::now();
    anyhow::ensure!(last == u64::from(events), "{events} events came to {last} jobs");
    let report: BridgeReport = bridge.report().await?;
    Ok(HandedOff {
        per_s: (last - first) as f64 / seconds(began, ended),
        cpu_us: report.cpu_s * 1e6 / f64::from(events),
        peak_mb: report.peak_memory_kib as f64 / 1024.0,
    })
}

struct Through {
    per_s: f64,
    cpu_s_per_100k: f64,
}

impl fmt::Display for Through {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.per_s.fmt(f)
    }
}

/// Everything runs, and then the events come as fast as they can be published.
async fn through(rig: &BridgeRig) -> anyhow::Result<Through> {
    let line = rig.line().await?;
    let events = rig.rig.jobs;
    let (bridge, worker) = rig.under_way(&line).await?;
    let before = rig.rig.queue.stats().await?.done();
    let began = clock::now();
    shipment::publish(&line.producer, events, began).await?;
    let ended = rig.until_done(before, events).await?;
    let (bridge, worker): (BridgeReport, Report) = (bridge.report().await?, worker.report().await?);
    let runs = worker.starts.len();
    anyhow::ensure!(runs == events as usize, "{events} events came to {runs} runs of jobs");
    let events = f64::from(events);
    Ok(Through {
        per_s: events / seconds(began, ended),
        cpu_s_per_100k: (bridge.cpu_s + worker.cpu_s) / events * 100_000.0,
    })
}

/// From just before an event is published to the start of its job's handler.
async fn latency(rig: &BridgeRig) -> anyhow::Result<Percentiles> {
    let line = rig.line().await?;
    let (bridge, worker) = rig.under_way(&line).await?;
    let before = rig.rig.queue.stats().await?.done();
    let time = rig.rig.scaled(TIME);
    let mut ticks = interval(Duration::from_secs(1) / PER_S);
    let mut deliveries = Vec::new();
    for number in 0..u32::try_from(time.as_millis()).unwrap_or(u32::MAX) * PER_S / 1000 {
        ticks.tick().await;
        // Not waited for: a bridge that is slow must not slow down what comes.
        deliveries.push(line.producer.send(&Shipment::new(number, clock::now()))?);
    }
    let count = u32::try_from(deliveries.len()).unwrap_or(u32::MAX);
    for delivery in deliveries {
        delivery.await?;
    }
    rig.until_done(before, count).await?;
    let report: Report = worker.report().await?;
    bridge.report::<BridgeReport>().await?;
    Ok(Percentiles::of(report.lateness_ms()))
}
