//! Working off what waits.

use std::{fmt, time::Instant};

use anyhow::Context;

use super::{
    clock::{self, Micros, seconds},
    enqueueing::fill_raw,
    order::Report,
    process::Process,
    rig::Rig,
};

/// How a queue was drained.
pub(super) struct Drained {
    /// Jobs a second, from the first one started to the last one settled.
    pub(super) per_s: f64,
    /// Processor seconds, of the worker processes and of Redis, for 100,000 jobs.
    pub(super) cpu_s_per_100k: f64,
}

/// Its rate.
impl fmt::Display for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.per_s.fmt(f)
    }
}

/// Drains a full queue with so many worker processes.
pub(super) async fn drain(rig: &Rig, processes: usize) -> anyhow::Result<Drained> {
    rig.clear().await?;
    rig.fill(rig.jobs).await?;
    let mut workers = rig.worker_processes(processes).await?;
    let before = rig.server.spent().await?.cpu;
    for worker in &mut workers {
        worker.go().await?;
    }
    let settled = rig.until_settled().await?;
    let redis_cpu_s = rig.server.spent().await?.cpu.saturating_sub(before).as_secs_f64();
    let reports = reports(workers).await?;
    let runs: usize = reports.iter().map(|report| report.starts.len()).sum();
    anyhow::ensure!(runs == rig.jobs as usize, "{} jobs have run {runs} times", rig.jobs);
    let cpu_s = redis_cpu_s + reports.iter().map(|report| report.cpu_s).sum::<f64>();
    let jobs = f64::from(rig.jobs);
    Ok(Drained { per_s: jobs / seconds(first(&reports)?, settled), cpu_s_per_100k: cpu_s / jobs * 100_000.0 })
}

/// Jobs a second that one worker process does while `depth` jobs wait, over the first tenth of them.
#[expect(clippy::cast_precision_loss, reason = "jobs are counted, not weighed")]
pub(super) async fn drain_deep(rig: &Rig, depth: u32) -> anyhow::Result<f64> {
    rig.clear().await?;
    rig.fill(depth).await?;
    let mut workers = rig.worker_processes(1).await?;
    for worker in &mut workers {
        worker.go().await?;
    }
    let stats = rig.until(|stats| stats.done() >= u64::from(depth / 10)).await?;
    let now = clock::now();
    let reports = reports(workers).await?;
    Ok(stats.done() as f64 / seconds(first(&reports)?, now))
}

/// Texts a second that one worker takes from the raw queue and acknowledges.
pub(super) async fn drain_raw(rig: &Rig) -> anyhow::Result<f64> {
    rig.clear().await?;
    fill_raw(rig).await?;
    let started = Instant::now();
    let count = rig.raw.drain().await?;
    anyhow::ensure!(count == rig.jobs as usize, "{count} of {} texts came out of the raw queue", rig.jobs);
    Ok(f64::from(rig.jobs) / started.elapsed().as_secs_f64())
}

async fn reports(workers: Vec<Process>) -> anyhow::Result<Vec<Report>> {
    futures::future::try_join_all(workers.into_iter().map(Process::report::<Report>)).await
}

fn first(reports: &[Report]) -> anyhow::Result<Micros> {
    reports.iter().filter_map(Report::first).min().context("no job has started")
}
