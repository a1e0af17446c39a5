//! What a worker costs that has nothing to do.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::rig::Rig;

const TIME: Duration = Duration::from_secs(5);

/// Commands a second that Redis runs for one idle worker process, those within scripts among them.
#[expect(clippy::cast_precision_loss, reason = "a few commands")]
pub(super) async fn commands_per_s(rig: &Rig) -> anyhow::Result<f64> {
    rig.clear().await?;
    let worker = rig.idle_worker().await?;
    let (before, started) = (rig.server.spent().await?.commands, Instant::now());
    sleep(rig.scaled(TIME)).await;
    let (after, time) = (rig.server.spent().await?.commands, started.elapsed());
    worker.kill().await?;
    // The second question counts itself only once it is answered; the first is among them.
    Ok(after.saturating_sub(before + 1) as f64 / time.as_secs_f64())
}
