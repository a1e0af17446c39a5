//! Renewing leases, where nothing in a handler can starve it: on a thread and a runtime of its own.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::time::MissedTickBehavior;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{debug, warn};

use crate::{Queue, QueueError, lease::InHand};

/// Renews the leases in hand until it is dropped.
pub(crate) struct LeaseKeeper {
    _stop: DropGuard,
}

impl LeaseKeeper {
    pub(crate) fn start(queue: Queue, in_hand: Arc<InHand>, lease: Duration) -> Result<Self, QueueError> {
        let stop = CancellationToken::new();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| QueueError::Thread(error.into()))?;
        let stopped = stop.clone();
        std::thread::Builder::new()
            .name("millgate-lease".into())
            .spawn(move || {
                runtime.block_on(stopped.run_until_cancelled(keep(queue, in_hand, lease)));
            })
            .map_err(|error| QueueError::Thread(error.into()))?;
        Ok(Self { _stop: stop.drop_guard() })
    }
}

async fn keep(queue: Queue, in_hand: Arc<InHand>, lease: Duration) {
    // A connection belongs to the runtime that made it; sharing the workers' would tie us to their fate.
    // An answer that comes late must leave time for another try.
    let link = queue.queues.separate(lease / 4);
    // At least once a second, for the sake of jobs that are to be cancelled while they run.
    let mut tick = tokio::time::interval((lease / 3).min(Duration::from_secs(1)));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let tokens = in_hand.tokens();
        if tokens.is_empty() {
            continue;
        }
        match queue.renew(&link, &tokens, lease).await {
            Ok((lost, stopped)) => {
                if !lost.is_empty() {
                    // Among them may be claims that were settled between the list and the call; nobody runs those.
                    debug!(queue = queue.name(), leases = lost.len(), "leases have ended");
                    in_hand.lose(&lost.iter().map(String::as_str).collect::<HashSet<_>>());
                }
                if !stopped.is_empty() {
                    in_hand.stop(&stopped);
                }
            }
            Err(error) => warn!(queue = queue.name(), %error, "leases not renewed this time"),
        }
    }
}
