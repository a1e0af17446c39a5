//! Telling Redis what became of jobs, many at a time, and for as long as it takes.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;
use tracing::{debug, warn};

use crate::{Queue, lease::InHand, settle::Settlement};

/// Most verdicts in one call.
const STEP: usize = 500;

/// Settles whatever comes in until all senders are gone.
pub(crate) async fn settle_all(queue: Queue, in_hand: Arc<InHand>, mut verdicts: mpsc::UnboundedReceiver<Settlement>) {
    let mut step = Vec::with_capacity(STEP);
    while verdicts.recv_many(&mut step, STEP).await > 0 {
        // Jobs that end together are settled together: others of the runtime go first, and may add some.
        tokio::task::yield_now().await;
        while step.len() < STEP
            && let Ok(settlement) = verdicts.try_recv()
        {
            step.push(settlement);
        }
        let late = settle(&queue, &mut step).await;
        if late > 0 {
            debug!(queue = queue.name(), late, "results came after their leases were lost, and do not count");
        }
        in_hand.release(step.drain(..).map(|settlement| settlement.run));
    }
}

/// Tries until Redis has answered. If it took effect and only the answer was lost, the repetition finds the
/// lease gone and counts as late, which harms nothing.
async fn settle(queue: &Queue, step: &mut [Settlement]) -> usize {
    let mut pause = Duration::from_millis(50);
    loop {
        match queue.settle(step).await {
            Ok(late) => return late,
            Err(error) => warn!(queue = queue.name(), %error, jobs = step.len(), "results not written yet"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(2));
    }
}
