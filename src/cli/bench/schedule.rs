//! Jobs that come on a schedule, whether or not those before them have been run.

use std::time::Duration;

use tokio::{task::JoinSet, time::interval};

use super::{clock, load::Load, order::Report, rig::Rig};

/// Between two lots of jobs.
const TICK: Duration = Duration::from_millis(5);

/// Enqueues so many jobs a second for some time, each with a delay, for a worker process that is idle before. Gives its
/// report when all have been run.
pub(super) async fn run(rig: &Rig, per_s: f64, time: Duration, delay: Duration) -> anyhow::Result<Report> {
    rig.clear().await?;
    let worker = rig.idle_worker().await?;
    let mut ticks = interval(TICK);
    let mut calls = JoinSet::new();
    let (mut sent, mut owed) = (0, 0.0);
    for _ in 0..time.as_millis() / TICK.as_millis() {
        ticks.tick().await;
        owed += per_s * TICK.as_secs_f64();
        let mut jobs = Vec::new();
        while owed >= 1.0 {
            owed -= 1.0;
            jobs.push(Load::enqueued(clock::now(), delay, rig.payload_bytes)?);
        }
        sent += jobs.len();
        // Not waited for: a queue that is slow must not slow down what comes.
        let queue = rig.queue.clone();
        calls.spawn(async move { queue.enqueue(&jobs).await });
    }
    for called in calls.join_all().await {
        called?;
    }
    rig.until_settled().await?;
    let report: Report = worker.report().await?;
    anyhow::ensure!(report.starts.len() == sent, "{sent} jobs have run {} times", report.starts.len());
    Ok(report)
}
