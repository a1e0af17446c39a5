//! Working until there is nothing left that can run now.

use std::{fmt, time::Duration};

use millgate_jobs::{Hands, Queue, QueueError, QueueStats};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Between looks.
const LOOK: Duration = Duration::from_millis(200);
/// How long dead jobs may take to come to the dead letters, at the end.
const BURIAL: Duration = Duration::from_secs(5);

/// What is left in a queue, and why it does not run now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Left {
    queue: String,
    /// Its workers take nothing.
    paused: bool,
    waiting: u64,
    delayed: u64,
    active: u64,
    held: u64,
    dead: u64,
}

/// Waits until the worker has nothing in hand and its queues have nothing for it, or until `stop` fires. Gives what is left
/// then.
pub(crate) async fn until_empty(queues: &[(Queue, Hands)], stop: &CancellationToken) -> Result<Vec<Left>, QueueError> {
    while !stop.is_cancelled() && !is_over(queues).await {
        stop.run_until_cancelled(tokio::time::sleep(LOOK)).await;
    }
    // The forwarder looks twice a second.
    let buried = async {
        while left(queues).await.is_ok_and(|left| left.iter().any(|left| left.dead > 0)) {
            tokio::time::sleep(LOOK).await;
        }
    };
    let _ = stop.run_until_cancelled(tokio::time::timeout(BURIAL, buried)).await;
    left(queues).await
}

async fn left(queues: &[(Queue, Hands)]) -> Result<Vec<Left>, QueueError> {
    let mut all = Vec::with_capacity(queues.len());
    for (queue, _) in queues {
        all.push(Left::of(queue.name(), &queue.stats().await?));
    }
    Ok(all)
}

/// Whether nothing runs and nothing can: at one moment in all queues, since one queue's jobs may lead to another's.
async fn is_over(queues: &[(Queue, Hands)]) -> bool {
    let look = async || {
        let mut all = Vec::with_capacity(queues.len());
        for (queue, _) in queues {
            all.push(queue.stats().await?);
        }
        Ok::<_, QueueError>(all)
    };
    let looks = async {
        let before = look().await?;
        let idle = queues.iter().all(|(_, hands)| hands.are_empty());
        // What was claimed or added between the looks has changed a count.
        Ok::<_, QueueError>(
            idle && before.iter().all(|stats| stats.paused || stats.waiting == 0) && look().await? == before,
        )
    };
    looks.await.unwrap_or_else(|error| {
        warn!(%error, "cannot look whether the queues are empty; trying on");
        false
    })
}

impl Left {
    fn of(queue: &str, stats: &QueueStats) -> Self {
        let &QueueStats { waiting, delayed, active, held, unburied: dead, paused, .. } = stats;
        Self { queue: queue.to_owned(), paused, waiting, delayed, active, held, dead }
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { queue, paused, waiting, delayed, active, held, dead } = self;
        let why =
            if *paused { format!("as the queue is paused; `millgate queues resume {queue}`") } else { "new".into() };
        let all = [
            (waiting, format!("waiting ({why})")),
            (delayed, "delayed (for later, or for their next attempt)".to_owned()),
            (active, "active (in the hands of other workers)".to_owned()),
            (held, "held (behind others of their lane)".to_owned()),
            (dead, "dead (not with the dead letters yet; a worker brings them there)".to_owned()),
        ];
        let left: Vec<_> =
            all.iter().filter(|(jobs, _)| **jobs > 0).map(|(jobs, what)| format!("{jobs} {what}")).collect();
        write!(f, "{queue:<16} {}", if left.is_empty() { "empty".to_owned() } else { left.join(", ") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_said_with_the_reason() {
        let empty = Left { queue: "email".into(), paused: false, waiting: 0, delayed: 0, active: 0, held: 0, dead: 0 };
        assert_eq!(empty.to_string(), "email            empty");
        let left = Left { paused: true, waiting: 3, delayed: 2, ..empty };
        assert_eq!(
            left.to_string(),
            "email            3 waiting (as the queue is paused; `millgate queues resume email`), \
             2 delayed (for later, or for their next attempt)"
        );
    }
}
