//! A worker process that dies.

use std::time::Duration;

use anyhow::Context;
use chrono::DateTime;
use millgate_jobs::{JobOptions, NewJob, QueueError};
use millgate_workers::WorkerConfig;

use super::{
    clock::{self, seconds},
    load::Hang,
    rig::Rig,
};

const IN_HAND: usize = 8;
/// A lease that a busy machine does not lose by itself.
const SHORTEST_LEASE: Duration = Duration::from_secs(2);

/// The lease that the worker that dies has.
pub(super) fn lease(rig: &Rig) -> Duration {
    rig.scaled(rig.worker.lease).max(SHORTEST_LEASE.min(rig.worker.lease))
}

/// Seconds from the death of a worker process to the moment at which another has started all its jobs.
pub(super) async fn seconds_to_recover(rig: &Rig) -> anyhow::Result<f64> {
    rig.clear().await?;
    let worker = WorkerConfig { concurrency: IN_HAND, lease: lease(rig), ..rig.worker.clone() };
    let mut doomed = rig.worker_process(worker).await?;
    doomed.go().await?;
    let hang = |_| NewJob::new(&Hang {}, JobOptions::default(), DateTime::UNIX_EPOCH);
    let jobs = (0..IN_HAND).map(hang).collect::<Result<Vec<_>, QueueError>>()?;
    rig.queue.enqueue(&jobs).await?;
    rig.until(|stats| stats.active == IN_HAND as u64).await?;
    // All places of the first are taken, so it is the second that does the job which shows that it runs.
    let heir = rig.idle_worker().await?;
    let killed = clock::now();
    doomed.kill();
    eprintln!("  killed a worker with {IN_HAND} jobs in hand");
    rig.until_settled().await?;
    let report = heir.report().await?;
    anyhow::ensure!(report.starts.len() == IN_HAND, "{IN_HAND} jobs were started again {} times", report.starts.len());
    anyhow::ensure!(report.first() > Some(killed), "a lease was lost before its worker died");
    Ok(seconds(killed, report.last().context("no job has started")?))
}
