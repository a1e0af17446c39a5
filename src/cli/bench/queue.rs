//! `millgate bench queue`: the figures of the job queue.

use std::time::Duration;

use millgate_jobs::QueueError;
use serde_json::json;

use super::{
    delayed,
    draining::{self, Drained},
    enqueueing,
    figures::{Figures, rounded},
    idle, load,
    median::{Percentiles, median},
    recovery,
    rig::Rig,
    schedule,
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
    /// The server to measure, if it is not that of the configuration
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// Jobs in one measurement
    #[arg(long, value_name = "N", default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    jobs: u32,
    /// Length of a job's payload, in bytes of JSON
    #[arg(long, value_name = "BYTES", default_value_t = 200, value_parser = clap::value_parser!(u32).range(i64::from(load::LEAST)..=1_000_000))]
    payload: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Measurement {
    EnqueueEach,
    EnqueueBulk,
    Drain,
    Pickup,
    HalfLoad,
    Memory,
    Idle,
    Delayed,
    Rush,
    Recovery,
    Raw,
    Depth,
}

/// Waiting jobs at which draining is to be as fast as at few.
const DEPTH: u32 = 1_000_000;
const PICKUP_PER_S: f64 = 200.0;
const PICKUP_TIME: Duration = Duration::from_secs(5);

pub(super) async fn run(call: Call, args: Args) -> anyhow::Result<Outcome> {
    if cfg!(debug_assertions) {
        eprintln!("warning: this is a debug build; its figures say nothing about a release build");
    }
    let stop = stop_on_signal()?;
    let mut config = call.configuration.config;
    config.redis.url = args.redis.unwrap_or(config.redis.url);
    let rig = match Rig::open(&config.redis, &config.worker, &config.log.level, (args.jobs, args.payload)).await {
        Ok(rig) => rig,
        Err(error @ QueueError::Url(_)) => return Ok(Outcome::Misunderstood(error.to_string())),
        Err(error) => return Err(error.into()),
    };
    let mut figures = Figures::default();
    figures.note("redis_version", json!(rig.info.version));
    figures.note("appendonly", json!(rig.info.append_only));
    figures.note("jobs", json!(rig.jobs));
    figures.note("payload_bytes", json!(rig.payload_bytes));
    let file = if rig.info.append_only { "with" } else { "without" };
    let about = format!(
        "Redis {} {file} an append-only file; {} jobs of {} bytes",
        rig.info.version, rig.jobs, rig.payload_bytes
    );
    let measured = stop.run_until_cancelled(measure(&rig, args.only, &mut figures)).await;
    // Whatever came of it: what lies in Redis is of no use to anybody.
    let closed = rig.close().await;
    measured.unwrap_or_else(|| Err(anyhow::anyhow!("interrupted; nothing is left in Redis")))?;
    closed?;
    if call.json {
        println!("{}", figures.to_json());
    } else {
        println!("{about}\n{figures}");
    }
    Ok(Outcome::Well)
}

async fn measure(rig: &Rig, only: Option<Measurement>, figures: &mut Figures) -> anyhow::Result<()> {
    let wanted = |measurement| only.is_none_or(|only| only == measurement);
    // What a server does for the first time takes longer: it grows its memory and its buffers.
    rig.fill(rig.jobs.min(10_000)).await?;
    if wanted(Measurement::EnqueueEach) {
        let rates = rig.repeat("enqueue one by one", async || enqueueing::each(rig).await).await?;
        figures.set("enqueue_each_per_s", median(rates));
    }
    if wanted(Measurement::EnqueueBulk) {
        let rates = rig.repeat("enqueue in bulk", async || enqueueing::bulk(rig).await).await?;
        figures.set("enqueue_bulk_per_s", median(rates));
    }
    if wanted(Measurement::Memory) {
        let bytes = rig.repeat("memory of waiting jobs", async || enqueueing::bytes_per_job(rig).await).await?;
        figures.set("bytes_per_waiting_job", median(bytes));
    }
    if wanted(Measurement::Drain) {
        let drained = drains(rig).await?;
        figures.set("drain_1p_per_s", median(drained.iter().map(|drained| drained.per_s).collect()));
        figures.set("cpu_s_per_100k_jobs", median(drained.iter().map(|drained| drained.cpu_s_per_100k).collect()));
        let drained = rig.repeat("drain, 2 processes", async || draining::drain(rig, 2).await).await?;
        figures.set("drain_2p_per_s", median(drained.iter().map(|drained| drained.per_s).collect()));
    }
    if wanted(Measurement::Raw) {
        let rates = rig.repeat("raw list, enqueue", async || enqueueing::raw_bulk(rig).await).await?;
        figures.set("raw_enqueue_bulk_per_s", median(rates));
        let rates = rig.repeat("raw list, drain", async || draining::drain_raw(rig).await).await?;
        figures.set("raw_drain_per_s", median(rates));
    }
    if let (Some(drained), Some(raw)) = (figures.get("drain_1p_per_s"), figures.get("raw_drain_per_s")) {
        figures.set("ratio_to_raw", drained / raw);
    }
    in_time(rig, only, figures).await?;
    if only == Some(Measurement::Depth) || (only.is_none() && rig.jobs >= DEPTH) {
        eprintln!("drain at a depth of a million …");
        figures.set("drain_at_1m_per_s", draining::drain_deep(rig, rig.jobs.max(DEPTH)).await?);
    }
    Ok(())
}

async fn drains(rig: &Rig) -> anyhow::Result<Vec<Drained>> {
    rig.repeat("drain, 1 process", async || draining::drain(rig, 1).await).await
}

/// What is about moments rather than amounts; these are measured once, as each is many measurements or takes long.
async fn in_time(rig: &Rig, only: Option<Measurement>, figures: &mut Figures) -> anyhow::Result<()> {
    let wanted = |measurement| only.is_none_or(|only| only == measurement);
    if wanted(Measurement::Pickup) {
        eprintln!("pickup …");
        let time = rig.scaled(PICKUP_TIME);
        let report = schedule::run(rig, PICKUP_PER_S, time, Duration::ZERO).await?;
        figures.set_percentiles("pickup_ms", Percentiles::of(report.lateness_ms()));
    }
    if wanted(Measurement::HalfLoad) {
        let full = match figures.get("drain_1p_per_s") {
            Some(full) => full,
            None => median(drains(rig).await?.iter().map(|drained| drained.per_s).collect()),
        };
        eprintln!("pickup at half load …");
        let report = schedule::run(rig, full / 2.0, rig.scaled(PICKUP_TIME), Duration::ZERO).await?;
        figures.set_percentiles("pickup_half_load_ms", Percentiles::of(report.lateness_ms()));
    }
    if wanted(Measurement::Idle) {
        eprintln!("idle worker …");
        figures.set("idle_commands_per_s", idle::commands_per_s(rig).await?);
    }
    if wanted(Measurement::Delayed) {
        eprintln!("lateness of delayed jobs …");
        let Percentiles { p50, p99, .. } = delayed::lateness(rig).await?;
        figures.note("delayed_lateness_ms", json!({ "p50": rounded(p50), "p99": rounded(p99) }));
    }
    if wanted(Measurement::Rush) {
        eprintln!("rush of delayed jobs …");
        figures.set("delayed_rush_s", delayed::rush(rig).await?);
    }
    if wanted(Measurement::Recovery) {
        eprintln!("recovery, with a lease of {} …", humantime::format_duration(recovery::lease(rig)));
        figures.set("recovery_s", recovery::seconds_to_recover(rig).await?);
    }
    Ok(())
}
