//! Jobs that are due later.

use std::time::Duration;

use anyhow::Context;

use super::{
    clock::{self, micros, seconds},
    median::Percentiles,
    order::Report,
    rig::Rig,
    schedule,
};

const DELAY: Duration = Duration::from_secs(2);
const PER_SECOND: f64 = 200.0;
const TIME: Duration = Duration::from_secs(5);
/// Jobs that are due in one instant.
const RUSH: u32 = 100_000;

/// How late jobs start that were delayed. One that starts early is an error.
pub(super) async fn lateness(rig: &Rig) -> anyhow::Result<Percentiles> {
    let report = schedule::run(rig, PER_SECOND, rig.scaled(TIME), rig.scaled(DELAY)).await?;
    let lateness = report.lateness_ms();
    let early = lateness.iter().filter(|late| **late < 0.0).count();
    let earliest = -lateness.iter().copied().fold(0.0, f64::min);
    anyhow::ensure!(early == 0, "{early} delayed jobs started too early, by up to {earliest} ms");
    Ok(Percentiles::of(lateness))
}

/// Seconds from a moment at which very many jobs are due to the start of the last.
pub(super) async fn rush(rig: &Rig) -> anyhow::Result<f64> {
    let count = RUSH.min(rig.jobs * 2);
    let mut lead = Duration::from_secs(1);
    loop {
        rig.clear().await?;
        let worker = rig.idle_worker().await?;
        let now = clock::now();
        rig.fill_delayed(count, now, lead).await?;
        let due = now / 1000 * 1000 + micros(lead);
        if clock::now() > due {
            // Some were late before they were in. How fast they go in is not known beforehand.
            lead *= 2;
            worker.kill().await?;
            continue;
        }
        rig.until_settled().await?;
        let last = worker.report::<Report>().await?.last().context("no job has started")?;
        return Ok(seconds(due, last));
    }
}
