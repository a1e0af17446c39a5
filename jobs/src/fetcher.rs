//! Fetching jobs as fast as they can be run, and no faster.

use std::{sync::Arc, time::Duration};

use rand::RngExt;
use redis::aio::MultiplexedConnection;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::{
    Claimed, Queue, QueueError, Verdict,
    in_hand::InHand,
    queue::{Claim, Settlement},
};

/// Most jobs in one claim.
const STEP: usize = 100;
/// An idle worker looks again after this long even if nobody wakes it.
const LONGEST_NAP: Duration = Duration::from_secs(1);

/// Workers that wait for one job to come due wake in another order each time. If always the same were first, and could
/// not do the job, those that can would never get it.
fn luck() -> Duration {
    rand::rng().random_range(Duration::ZERO..Duration::from_millis(20))
}

pub(crate) struct Fetcher {
    pub(crate) queue: Queue,
    pub(crate) lease: Duration,
    pub(crate) places: Arc<Semaphore>,
    pub(crate) in_hand: Arc<InHand>,
    pub(crate) jobs: mpsc::UnboundedSender<Claimed>,
    pub(crate) verdicts: mpsc::UnboundedSender<Settlement>,
    pub(crate) stop: CancellationToken,
}

impl Fetcher {
    /// Fetches until stopped. Whatever goes wrong with Redis is waited out.
    pub(crate) async fn run(self) {
        // A claim that is given up on is carried out all the same, and its jobs are leased to nobody. So it is waited for
        // as long as those leases would last.
        let patience = self.lease.max(self.queue.queues.config.response_timeout);
        let link = self.queue.queues.separate(patience);
        let mut wake = None;
        let mut pause = Duration::from_millis(50);
        loop {
            // A place first: a job that is claimed and cannot be run only wears its lease.
            let Some(place) = self.stop.run_until_cancelled(self.places.clone().acquire_owned()).await else { return };
            let Ok(place) = place else { return };
            let most = 1 + self.places.available_permits().min(STEP - 1);
            drop(place);
            match self.queue.claim(&link, most, self.lease).await {
                Ok(claim) => {
                    pause = Duration::from_millis(50);
                    let (none, next) = (claim.jobs.is_empty(), claim.next);
                    self.hand_on(claim);
                    if self.stop.is_cancelled() {
                        return;
                    }
                    if none && next != Some(Duration::ZERO) {
                        let nap = next.unwrap_or(LONGEST_NAP).min(LONGEST_NAP) + luck();
                        self.stop.run_until_cancelled(self.nap(&mut wake, nap)).await;
                    }
                }
                Err(error) => {
                    warn!(queue = self.queue.name(), %error, "no jobs can be fetched; trying on");
                    wake = None;
                    if self.stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                        return;
                    }
                    pause = (pause * 2).min(Duration::from_secs(2));
                }
            }
        }
    }

    fn hand_on(&self, claim: Claim) {
        for (id, token, failure) in claim.unreadable {
            error!(queue = self.queue.name(), job = id, %failure, "a job cannot be read");
            let _ = self.verdicts.send(Settlement { id, token, verdict: Verdict::Dead { failure } });
        }
        for job in claim.jobs {
            // Only this task takes places, and it claimed no more than were free.
            if let Ok(place) = self.places.clone().try_acquire_owned() {
                self.in_hand.take(&job, place);
            }
            // Nobody takes jobs any more: the worker is closing, and gives back what is in hand.
            let _ = self.jobs.send(job);
        }
    }

    /// Sleeps until there is a job or `nap` has passed.
    async fn nap(&self, connection: &mut Option<MultiplexedConnection>, nap: Duration) {
        // Redis rounds a pop's time up to a millisecond, and takes 0 for ever.
        let nap = nap.max(Duration::from_millis(1));
        let woken = async {
            if connection.is_none() {
                *connection = Some(self.queue.queues.blocking(&self.queue.key("wake"), 2 * LONGEST_NAP).await?);
            }
            let Some(redis) = connection.as_mut() else { return Ok(()) };
            let mut pop = redis::cmd("BLPOP");
            pop.arg(self.queue.key("wake")).arg(nap.as_secs_f64());
            pop.query_async::<Option<(String, String)>>(redis).await?;
            Ok::<(), QueueError>(())
        };
        if let Err(error) = woken.await {
            warn!(queue = self.queue.name(), %error, "cannot wait for jobs; trying on");
            *connection = None;
            tokio::time::sleep(nap).await;
        }
    }
}
