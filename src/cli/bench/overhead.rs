//! `millgate bench worker`: what a worker adds to a job that does nothing.

use std::fmt;

use anyhow::Context;
use millgate_jobs::QueueError;
use serde_json::json;

use super::{clock::seconds, figures::Figures, load, median::median, order::Report, rig::Rig};
use crate::{
    cli::{Call, Outcome},
    lifecycle::stop_on_signal,
};

/// Each kind of worker drains so often, in turns, so that what else happens on the machine happens to both.
const ROUNDS: u32 = 5;

#[derive(clap::Args)]
pub(in crate::cli) struct Args {
    /// The server to measure on, if it is not that of the configuration
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// Jobs in one drain
    #[arg(long, value_name = "N", default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    jobs: u32,
    /// Length of a job's payload, in bytes of JSON
    #[arg(long, value_name = "BYTES", default_value_t = 200, value_parser = clap::value_parser!(u32).range(i64::from(load::LEAST)..=1_000_000))]
    payload: u32,
}

/// One drain by one worker process.
struct Drained {
    per_s: f64,
    /// Processor time of the process, a job.
    cpu_us: f64,
}

impl fmt::Display for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} jobs/s, {:.2} µs a job", self.per_s, self.cpu_us)
    }
}

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
    figures.note("jobs", json!(rig.jobs));
    figures.note("payload_bytes", json!(rig.payload_bytes));
    let measured = stop.run_until_cancelled(measure(&rig, &mut figures)).await;
    // Whatever came of it: what lies in Redis is of no use to anybody.
    let closed = rig.close().await;
    measured.unwrap_or_else(|| Err(anyhow::anyhow!("interrupted; nothing is left in Redis")))?;
    closed?;
    if call.json {
        println!("{}", figures.to_json());
    } else {
        print!("{figures}");
    }
    Ok(Outcome::Well)
}

async fn measure(rig: &Rig, figures: &mut Figures) -> anyhow::Result<()> {
    // What a server does for the first time takes longer.
    drain(rig, false).await?;
    let (mut bare, mut layered) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        for (what, is_layered, drains) in [("bare", false, &mut bare), ("with layers", true, &mut layered)] {
            let drained = drain(rig, is_layered).await?;
            eprintln!("round {round} of {ROUNDS}, {what}: {drained}");
            drains.push(drained);
        }
    }
    let per_s = |drains: &[Drained]| median(drains.iter().map(|drained| drained.per_s).collect());
    // The mean, since Linux counts processor time in hundredths of a second: many together are finer than one.
    let cpu_us = |drains: &[Drained]| drains.iter().map(|drained| drained.cpu_us / f64::from(ROUNDS)).sum::<f64>();
    figures.set("bare_per_s", per_s(&bare));
    figures.set("layered_per_s", per_s(&layered));
    figures.set("bare_us", cpu_us(&bare));
    figures.set("layered_us", cpu_us(&layered));
    figures.set("overhead_us", cpu_us(&layered) - cpu_us(&bare));
    Ok(())
}

async fn drain(rig: &Rig, layered: bool) -> anyhow::Result<Drained> {
    rig.clear().await?;
    rig.fill(rig.jobs).await?;
    let mut worker = rig.layered_process(layered).await?;
    worker.go().await?;
    let settled = rig.until_settled().await?;
    let report: Report = worker.report().await?;
    anyhow::ensure!(
        report.starts.len() == rig.jobs as usize,
        "{} jobs have run {} times",
        rig.jobs,
        report.starts.len()
    );
    let first = report.first().context("no job has started")?;
    let jobs = f64::from(rig.jobs);
    Ok(Drained { per_s: jobs / seconds(first, settled), cpu_us: report.cpu_s / jobs * 1e6 })
}
