//! Telling Redis what became of jobs, many at a time, and for as long as it takes.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;
use tracing::{debug, warn};

use crate::{Queue, in_hand::InHand, queue::Settlement};

/// Most verdicts in one call.
const STEP: usize = 250;

/// Settles whatever comes in until all senders are gone.
pub(crate) async fn settle_all(queue: Queue, in_hand: Arc<InHand>, mut verdicts: mpsc::UnboundedReceiver<Settlement>) {
    let mut step = Vec::with_capacity(STEP);
    while verdicts.recv_many(&mut step, STEP).await > 0 {
        let counted = settle(&queue, &step).await;
        for (settlement, counted) in step.drain(..).zip(counted) {
            if !counted {
                debug!(job = settlement.id, "a result came after its lease was lost, and does not count");
            }
            in_hand.release(settlement.token);
        }
    }
}

/// Tries until Redis has answered. If it took effect and only the answer was lost, the repetition finds the
/// lease gone and counts as late, which harms nothing.
async fn settle(queue: &Queue, step: &[Settlement]) -> Vec<bool> {
    let mut pause = Duration::from_millis(50);
    loop {
        match queue.settle(step).await {
            Ok(counted) => return counted,
            Err(error) => warn!(queue = queue.name(), %error, jobs = step.len(), "results not written yet"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(2));
    }
}
