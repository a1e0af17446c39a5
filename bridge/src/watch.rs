//! Looking, while nothing is handed off, whether Redis still has what it took.
//!
//! A hand-off finds out by itself that Redis went back in time. A queue that gets nothing, and a bridge without traffic,
//! would not; so all of them are looked at every few seconds, and soon after Redis could not be reached.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use millgate_events::Holdings;
use millgate_jobs::{Queue, QueueError, Watermark};
use tracing::debug;

use crate::{
    hand_off::HandOff,
    judge::Decision,
    partition::{Mark, Partition},
    trouble::Trouble,
};

/// After an error, as a Redis that comes back may be another one; and for how long one partition is waited for.
const SOON: Duration = Duration::from_secs(1);

/// Looks until it is stopped.
pub(crate) async fn watch(hand_off: Arc<HandOff>, holdings: Holdings) {
    let interval = hand_off.judge.config.watermark_check_interval;
    let mut pause = interval;
    loop {
        tokio::time::sleep(pause).await;
        let holdings = holdings.list();
        let partitions: Vec<_> =
            holdings.iter().map(|holding| hand_off.partitions.of(holding, &hand_off.group)).collect();
        pause = interval;
        for name in hand_off.routes.queues() {
            if let Err(error) = look(&hand_off, &name, &partitions).await {
                debug!(queue = name, %error, "cannot look how far it is");
                pause = interval.min(SOON);
            }
        }
    }
}

async fn look(hand_off: &HandOff, name: &str, partitions: &[Arc<Partition>]) -> Result<(), QueueError> {
    let queue = hand_off.queues.queue(name);
    let sources: Vec<_> = partitions.iter().map(|partition| partition.source.as_str()).collect();
    let stored = queue.watermarks_of(&sources).await?;
    let looks = partitions.iter().zip(stored).map(|(partition, stored)| look_at(hand_off, &queue, partition, stored));
    join_all(looks).await.into_iter().collect()
}

async fn look_at(
    hand_off: &HandOff,
    queue: &Queue,
    partition: &Partition,
    stored: Option<Watermark>,
) -> Result<(), QueueError> {
    let name = queue.name();
    // One whose hand-off takes long is left to it, and holds up no other.
    let Ok(mut progress) = tokio::time::timeout(SOON, partition.progress.lock()).await else { return Ok(()) };
    let spot = hand_off.troubles.of(&partition.holding, name);
    let mark = progress.mark(name);
    let is_as_expected = |stored: Option<Watermark>| stored.map(|stored| stored.offset) == mark.expected;
    if mark.expected.is_none() || is_as_expected(stored) {
        spot.goes_on();
        return Ok(());
    }
    // It was read before the last hand-off ended.
    let stored = queue.watermarks_of(&[&partition.source]).await?.pop().flatten();
    if is_as_expected(stored) || partition.holding.is_revoked() {
        spot.goes_on();
        return Ok(());
    }
    match hand_off.judge.decide(name, partition, mark.expected, stored, &hand_off.stats).await {
        Ok(Decision::Expect(expected)) => {
            spot.goes_on();
            progress.set(name, Mark { expected, ..mark });
        }
        Ok(Decision::Rewind { to, expect }) => {
            spot.goes_on();
            progress.set(name, Mark { expected: expect, ..mark });
            // A batch that is out would move the watermark past what is missing.
            progress.rewind = Some(progress.rewind.map_or(to, |earlier| earlier.min(to)));
            if partition.holding.rewind(to).await {
                progress.rewind = None;
                progress.read_again(to);
            }
        }
        Err(Trouble::Queue(error)) => return Err(error),
        Err(trouble) => {
            spot.waits(&trouble);
            hand_off.say(&trouble);
        }
    }
    Ok(())
}
