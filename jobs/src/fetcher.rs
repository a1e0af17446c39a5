//! Fetching jobs as fast as they can be run, and no faster.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use rand::RngExt;
use redis::{RedisError, aio::MultiplexedConnection};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::{
    Claimed, Claiming, Queue, QueueError, Verdict, blocks::Blocks, claim::Claim, lease::InHand, nap, settle::Settlement,
};

/// Most jobs in one claim: two blocks.
const STEP: usize = 500;
/// While there is more work than places, this long is waited for some more places to be free: a claim costs Redis much
/// the same for one job as for many.
const PATIENCE: Duration = Duration::from_millis(1);
/// An idle worker looks again after this long even if nobody wakes it.
const LONGEST_NAP: Duration = Duration::from_millis(2_500);
/// A wait for being woken begins anew after so long.
const LONGEST_POP: Duration = Duration::from_secs(5);

/// Answers when the queue wakes this worker (true), or after [`LONGEST_POP`].
type Woken = BoxFuture<'static, Result<bool, RedisError>>;

pub(crate) struct Fetcher {
    pub(crate) queue: Queue,
    pub(crate) lease: Duration,
    pub(crate) in_hand: Arc<InHand>,
    /// How many places there are, free or not.
    pub(crate) all_places: usize,
    pub(crate) jobs: mpsc::UnboundedSender<(u64, Claimed)>,
    pub(crate) verdicts: mpsc::UnboundedSender<Settlement>,
    pub(crate) stop: CancellationToken,
    pub(crate) claiming: watch::Sender<Claiming>,
}

/// The fetcher's ear: at most one wait at a time, which outlives a nap that is over earlier. Cut off, it could swallow
/// the word that was to wake somebody.
#[derive(Default)]
struct Ear {
    connection: Option<MultiplexedConnection>,
    woken: Option<Woken>,
}

impl Fetcher {
    /// Fetches until stopped. Whatever goes wrong with Redis is waited out.
    pub(crate) async fn run(self) {
        // A claim that is given up on is carried out all the same, and its jobs are leased to nobody. So it is waited for
        // as long as those leases would last.
        let link = self.queue.queues.separate(self.queue.patience(self.lease));
        let (mut ear, mut blocks) = (Ear::default(), Blocks::default());
        let mut pause = Duration::from_millis(50);
        let mut busy = false;
        loop {
            // A place first: a job that is claimed and cannot be run only wears its lease.
            let Some(Some(place)) = self.stop.run_until_cancelled(self.place(&mut ear)).await else { return };
            drop(place);
            if self.stop.run_until_cancelled(self.rest(&mut ear)).await.is_none() {
                return;
            }
            if busy {
                self.more_places().await;
            }
            let most = self.in_hand.places.available_permits().clamp(1, STEP);
            let now = Instant::now();
            *self.in_hand.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
            self.claiming.send_replace(Claiming::Asking(now));
            match self.queue.claim(&link, &mut blocks, most, self.lease).await {
                Ok(claim) => {
                    pause = Duration::from_millis(50);
                    busy = claim.jobs.len() >= most;
                    let (none, next) = (claim.jobs.is_empty(), claim.next);
                    self.hand_on(claim);
                    self.claiming.send_replace(Claiming::Resting);
                    if self.stop.is_cancelled() {
                        return;
                    }
                    if none && next != Some(Duration::ZERO) {
                        let nap = next.unwrap_or(LONGEST_NAP).min(LONGEST_NAP) + self.luck();
                        self.stop.run_until_cancelled(self.nap(&mut ear, nap)).await;
                    }
                }
                Err(error) => {
                    warn!(queue = self.queue.name(), %error, "no jobs can be fetched; trying on");
                    self.claiming.send_replace(Claiming::Resting);
                    ear = Ear::default();
                    if self.stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                        return;
                    }
                    pause = (pause * 2).min(Duration::from_secs(2));
                }
            }
        }
    }

    /// Workers that wait for one job to come due wake in another order each time, once they had to hand one back. If
    /// always the same were first, and could not do the job, those that can would never get it.
    fn luck(&self) -> Duration {
        if self.in_hand.handed_back.swap(false, Relaxed) {
            return rand::rng().random_range(Duration::ZERO..Duration::from_millis(20));
        }
        Duration::ZERO
    }

    /// Waits for a quarter of the places to be free, but not long.
    async fn more_places(&self) {
        let wanted = (self.all_places / 4).clamp(1, STEP);
        if self.in_hand.places.available_permits() < wanted {
            let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
            let _ = tokio::time::timeout(PATIENCE, self.in_hand.places.acquire_many(wanted)).await;
        }
    }

    /// Waits for a free place. Woken meanwhile, it wakes another worker instead.
    async fn place(&self, ear: &mut Ear) -> Option<OwnedSemaphorePermit> {
        let places = &self.in_hand.places;
        if let Ok(place) = places.clone().try_acquire_owned() {
            return Some(place);
        }
        self.deaf_until(ear, places.clone().acquire_owned()).await.ok()
    }

    /// Takes nothing for as long as it is told so.
    async fn rest(&self, ear: &mut Ear) {
        if !*self.in_hand.quiet.borrow() {
            return;
        }
        // What woke it last may have been meant for any worker.
        self.wake_another().await;
        let mut quiet = self.in_hand.quiet.subscribe();
        self.deaf_until(ear, async { quiet.wait_for(|quiet| !quiet).await.is_ok() }).await;
    }

    /// Waits for something else than being woken. Woken meanwhile, it wakes another worker instead.
    async fn deaf_until<T>(&self, ear: &mut Ear, something: impl Future<Output = T>) -> T {
        tokio::pin!(something);
        if let Some(woken) = &mut ear.woken {
            tokio::select! {
                it = &mut something => return it,
                woken = woken => {
                    ear.woken = None;
                    if !matches!(woken, Ok(false)) {
                        self.wake_another().await;
                    }
                }
            }
        }
        something.await
    }

    async fn wake_another(&self) {
        if let Err(error) = self.queue.wake().await {
            // Any worker looks by itself after a while.
            warn!(queue = self.queue.name(), %error, "cannot pass on that there are jobs");
        }
    }

    fn hand_on(&self, claim: Claim) {
        let Claim { jobs, unreadable, .. } = claim;
        let taken = jobs.len() + unreadable.len();
        // Only this task takes places, and it claimed no more than were free.
        if let Ok(places) = self.in_hand.places.try_acquire_many(u32::try_from(taken).unwrap_or(u32::MAX)) {
            places.forget();
        }
        let first = self.in_hand.take(unreadable.iter().map(|(hold, _)| hold));
        for (run, (hold, failure)) in (first..).zip(unreadable) {
            error!(queue = self.queue.name(), job = %hold.id(), %failure, "a job cannot be read");
            self.in_hand.judge(run);
            let _ = self.verdicts.send(Settlement { run, hold, verdict: Verdict::Dead { failure } });
        }
        let first = self.in_hand.take(jobs.iter().map(|job| &job.hold));
        for (run, job) in (first..).zip(jobs) {
            // Nobody takes jobs any more: the worker is closing, and gives back what is in hand.
            let _ = self.jobs.send((run, job));
        }
    }

    /// Sleeps until there is a job or `nap` has passed.
    async fn nap(&self, ear: &mut Ear, nap: Duration) {
        if let Err(error) = self.listen(ear).await {
            warn!(queue = self.queue.name(), %error, "cannot wait for jobs; trying on");
            *ear = Ear::default();
            return tokio::time::sleep(nap).await;
        }
        let Some(woken) = &mut ear.woken else { return };
        let woken = tokio::select! {
            woken = woken => woken,
            () = nap::sleep(nap) => return,
        };
        ear.woken = None;
        if let Err(error) = woken {
            warn!(queue = self.queue.name(), %error, "cannot wait for jobs; trying on");
            *ear = Ear::default();
            tokio::time::sleep(nap.min(Duration::from_millis(100))).await;
        }
    }

    async fn listen(&self, ear: &mut Ear) -> Result<(), QueueError> {
        if ear.woken.is_some() {
            return Ok(());
        }
        if ear.connection.is_none() {
            ear.connection = Some(self.queue.queues.blocking(&self.queue.key("wake"), LONGEST_POP).await?);
        }
        if let Some(connection) = &ear.connection {
            let mut connection = connection.clone();
            let key = self.queue.key("wake");
            ear.woken = Some(Box::pin(async move {
                let mut pop = redis::cmd("BLPOP");
                pop.arg(key).arg(LONGEST_POP.as_secs());
                Ok(pop.query_async::<Option<(String, String)>>(&mut connection).await?.is_some())
            }));
        }
        Ok(())
    }
}
