//! Putting jobs in, and what they weigh there.

use std::time::{Duration, Instant};

use futures::future::try_join_all;

use super::{clock, load::Load, rig::Rig};

const CALLERS: u32 = 16;

/// Jobs a second, put in one at a time by callers that each wait for the answer.
pub(super) async fn each(rig: &Rig) -> anyhow::Result<f64> {
    rig.clear().await?;
    let share = rig.jobs.div_ceil(CALLERS);
    let caller = || {
        let (queue, bytes) = (rig.queue.clone(), rig.payload_bytes);
        tokio::spawn(async move {
            for _ in 0..share {
                queue.push(Load::enqueued(clock::now(), Duration::ZERO, bytes)?).await?;
            }
            anyhow::Ok(())
        })
    };
    let started = Instant::now();
    for ended in try_join_all((0..CALLERS).map(|_| caller())).await? {
        ended?;
    }
    Ok(f64::from(share * CALLERS) / started.elapsed().as_secs_f64())
}

/// Jobs a second, put in by one caller that has them all.
pub(super) async fn bulk(rig: &Rig) -> anyhow::Result<f64> {
    rig.clear().await?;
    Ok(f64::from(rig.jobs) / rig.fill(rig.jobs).await?.as_secs_f64())
}

/// Bytes that a waiting job takes in Redis' memory.
#[expect(clippy::cast_precision_loss, reason = "a memory that a double cannot count is 9 petabytes")]
pub(super) async fn bytes_per_job(rig: &Rig) -> anyhow::Result<f64> {
    rig.clear().await?;
    let before = rig.server.spent().await?.memory;
    rig.fill(rig.jobs).await?;
    let after = rig.server.spent().await?.memory;
    Ok((after as f64 - before as f64) / f64::from(rig.jobs))
}

/// Texts of the payload's length a second, put into the raw queue by one caller.
pub(super) async fn raw_bulk(rig: &Rig) -> anyhow::Result<f64> {
    rig.clear().await?;
    let seconds = fill_raw(rig).await?.as_secs_f64();
    Ok(f64::from(rig.jobs) / seconds)
}

/// Fills the raw queue, and gives the time that took.
pub(super) async fn fill_raw(rig: &Rig) -> anyhow::Result<Duration> {
    let text = serde_json::to_string(&Load::new(clock::now(), rig.payload_bytes))?;
    let texts = vec![text; rig.jobs as usize];
    let started = Instant::now();
    rig.raw.push(&texts).await?;
    Ok(started.elapsed())
}
