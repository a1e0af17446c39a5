//! A worker process that dies.

use std::time::Duration;

use chrono::DateTime;
use millgate_jobs::{JobOptions, NewJob, QueueError};
use millgate_workers::WorkerConfig;

use super::{
    clock::{self, seconds},
    load::Hang,
    order::Report,
    rig::Rig,
};

const IN_HAND: usize = 8;
/// A lease that a busy machine does not lose by itself.
const SHORTEST_LEASE: Duration = Duration::from_secs(2);
/// Each with a lease twice as long as the one before.
const TRIES: usize = 4;

/// The lease that the worker that dies has.
pub(super) fn lease(rig: &Rig) -> Duration {
    rig.scaled(rig.worker.lease).max(SHORTEST_LEASE.min(rig.worker.lease))
}

/// Seconds from the death of a worker process to the moment at which another has started all its jobs.
pub(super) async fn seconds_to_recover(rig: &Rig) -> anyhow::Result<f64> {
    let mut lease = lease(rig);
    for _ in 0..TRIES {
        if let Some(seconds) = attempt(rig, lease).await? {
            return Ok(seconds);
        }
        lease *= 2;
    }
    anyhow::bail!("on this machine leases are lost while their worker lives")
}

/// `None` if leases were lost before their worker died, as they are by a machine that stands still for their time.
async fn attempt(rig: &Rig, lease: Duration) -> anyhow::Result<Option<f64>> {
    rig.clear().await?;
    let worker = WorkerConfig { concurrency: IN_HAND, lease, ..rig.worker.clone() };
    let mut doomed = rig.worker_process(worker).await?;
    doomed.go().await?;
    let hang = |_| NewJob::new(&Hang {}, JobOptions::default(), DateTime::UNIX_EPOCH);
    let jobs = (0..IN_HAND).map(hang).collect::<Result<Vec<_>, QueueError>>()?;
    rig.queue.enqueue(&jobs).await?;
    rig.until(|stats| stats.active == IN_HAND as u64 || stats.done() > 0).await?;
    // All places of the first are taken, so it is the second that does the job which shows that it runs.
    let heir = rig.idle_worker().await?;
    let killed = clock::now();
    doomed.kill().await?;
    eprintln!("  killed a worker with {IN_HAND} jobs in hand");
    rig.until_settled().await?;
    let report: Report = heir.report().await?;
    anyhow::ensure!(report.starts.len() <= IN_HAND, "{IN_HAND} jobs were started again {} times", report.starts.len());
    let after = report.starts.len() == IN_HAND && report.first() > Some(killed);
    Ok(report.last().filter(|_| after).map(|last| seconds(killed, last)))
}
