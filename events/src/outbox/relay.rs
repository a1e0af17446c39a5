//! What publishes the outbox: one relay at a time, while others stand by.

use std::{
    collections::{HashMap, HashSet},
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use sqlx::{PgPool, postgres::PgListener};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{error, info, warn};

use super::{
    OutboxError, RelayConfig,
    batch::{Batch, Settled},
    row::Row,
    table::Table,
};
use crate::{KafkaError, Producer};

/// First pause after something went wrong, then doubled.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest pause of a topic that takes nothing.
const LONGEST_REST: Duration = Duration::from_secs(15);
/// Longest pause of an event that is refused.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// To look takes at most this part of the time while some topic cannot be served.
const SHARE: u32 = 10;
/// For what is on its way to Kafka, when told to stop.
const DRAIN: Duration = Duration::from_secs(10);
const TIDY_EVERY: Duration = Duration::from_mins(10);

/// What a relay has done since it began.
#[derive(Debug, Default)]
pub struct RelayStats {
    published: AtomicU64,
}

impl RelayStats {
    /// Events that it put on Kafka; one that it put there twice counts twice.
    pub fn published(&self) -> u64 {
        self.published.load(Relaxed)
    }
}

/// Publishes what is in the outbox of this pool's schema.
pub struct Relay {
    database: PgPool,
    producer: Producer,
    config: RelayConfig,
    stats: Arc<RelayStats>,
}

impl Relay {
    /// Connects to nothing yet. Events that name no source get that of the producer.
    pub fn new(database: PgPool, producer: Producer, config: RelayConfig) -> Self {
        Self { database, producer, config, stats: Arc::default() }
    }

    /// What it does, as it does it.
    pub fn stats(&self) -> Arc<RelayStats> {
        self.stats.clone()
    }

    /// Publishes until `stop` fires, or stands by while another relay does. Whatever fails is tried again.
    pub async fn run(self, stop: CancellationToken) {
        let mut pause = PAUSE;
        loop {
            let began = Instant::now();
            match self.lead(&stop).await {
                Ok(()) => return,
                Err(error @ OutboxError::NoTable(_)) => error!(%error, "nothing of the outbox is published"),
                Err(error) => warn!(%error, "the outbox is out of reach; trying again"),
            }
            pause = if began.elapsed() > LONGEST_REST { PAUSE } else { (pause * 2).min(LONGEST_REST) };
            if stop.run_until_cancelled(sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    /// Waits for the lock, and publishes for as long as its connection lives.
    async fn lead(&self, stop: &CancellationToken) -> Result<(), OutboxError> {
        let mut table = Table::connect(&self.database).await?;
        let mut told = false;
        while !table.try_lock().await? {
            if !told {
                info!("another relay publishes the outbox; standing by");
                told = true;
            }
            if stop.run_until_cancelled(sleep(self.config.poll_interval)).await.is_none() {
                return Ok(());
            }
        }
        info!("publishing the outbox");
        let wake = Arc::new(Notify::new());
        let listening = listen(self.database.clone(), wake.clone());
        let _listening = AbortOnDropHandle::new(tokio::spawn(listening));
        let mut round = Round { relay: self, table, topics: Topics::default(), out: FuturesUnordered::new() };
        round.publish(stop, &wake).await
    }
}

/// Wakes the relay whenever a transaction with events commits.
async fn listen(database: PgPool, wake: Arc<Notify>) {
    loop {
        let listening = async {
            let mut listener = PgListener::connect_with(&database).await?;
            listener.listen("millgate_outbox").await?;
            loop {
                // What came while nobody listened is found by looking.
                wake.notify_one();
                listener.recv().await?;
            }
        };
        let ended: sqlx::Result<()> = listening.await;
        if let Err(error) = ended {
            warn!(%error, "nothing wakes the relay; it looks by itself");
        }
        sleep(PAUSE).await;
    }
}

/// Topics that are not to be looked at now.
#[derive(Default)]
struct Topics {
    /// A batch of theirs is on its way.
    busy: HashSet<String>,
    /// They took nothing, and rest until then.
    resting: HashMap<String, Rest>,
}

struct Rest {
    until: Instant,
    pause: Duration,
}

impl Topics {
    fn closed(&self, now: Instant) -> Vec<&str> {
        let resting = self.resting.iter().filter(|(_, rest)| rest.until > now).map(|(topic, _)| topic);
        self.busy.iter().chain(resting).map(String::as_str).collect()
    }

    fn all_open(&self) -> bool {
        self.busy.is_empty() && self.resting.is_empty()
    }

    fn rest(&mut self, topic: String, error: &KafkaError) {
        let pause = self.resting.get(&topic).map_or(PAUSE, |rest| (rest.pause * 2).min(LONGEST_REST));
        error!(topic, %error, ?pause, "events of the outbox cannot be published; they wait, and other topics go on");
        self.resting.insert(topic, Rest { until: Instant::now() + pause, pause });
    }
}

/// The time for which this relay has the lock.
struct Round<'a> {
    relay: &'a Relay,
    table: Table,
    topics: Topics,
    /// One batch a topic at most.
    out: FuturesUnordered<BoxFuture<'static, Settled>>,
}

impl Round<'_> {
    async fn publish(&mut self, stop: &CancellationToken, wake: &Notify) -> Result<(), OutboxError> {
        let poll = self.relay.config.poll_interval;
        let (mut next, mut next_tidy) = (Instant::now(), Instant::now());
        // What looking cost the last time, times some: where much lies that cannot go, to look is not cheap.
        let mut earliest = next;
        let mut deadline = None;
        loop {
            let now = Instant::now();
            if deadline.is_none() && next <= now {
                if next_tidy <= now {
                    self.table.tidy(self.relay.config.inbox_retention).await?;
                    next_tidy = now + TIDY_EVERY;
                }
                self.look(now).await?;
                next = now + poll;
                earliest = now + (now.elapsed() * SHARE).min(poll);
            }
            if deadline.is_some() && self.out.is_empty() {
                return Ok(());
            }
            tokio::select! {
                Some(settled) = self.out.next() => {
                    self.settle(settled).await?;
                    next = Instant::now();
                }
                () = wake.notified() => {
                    next = if self.topics.all_open() { Instant::now() } else { next.min(earliest) };
                }
                () = sleep_until(next), if deadline.is_none() => {}
                () = stop.cancelled(), if deadline.is_none() => deadline = Some(Instant::now() + DRAIN),
                () = until(deadline) => return Ok(()),
            }
        }
    }

    /// Takes what may go, and sends it on its way.
    async fn look(&mut self, now: Instant) -> Result<(), OutboxError> {
        let rows = self.table.fetch(&self.topics.closed(now), self.relay.config.batch_size).await?;
        for batch in Batch::group(rows) {
            self.topics.busy.insert(batch.topic.clone());
            self.out.push(Box::pin(batch.publish(self.relay.producer.clone())));
        }
        Ok(())
    }

    async fn settle(&mut self, settled: Settled) -> Result<(), OutboxError> {
        let Settled { topic, published, recovered, refused, trouble } = settled;
        self.topics.busy.remove(&topic);
        if !published.is_empty() {
            self.relay.stats.published.fetch_add(published.len() as u64, Relaxed);
            self.table.remove(&published, recovered).await?;
        }
        for (row, reason) in refused {
            self.refuse(&row, &reason).await?;
        }
        match trouble {
            Some(error) => self.topics.rest(topic, &error),
            None if self.topics.resting.remove(&topic).is_some() => info!(topic, "events of the outbox go again"),
            None => {}
        }
        Ok(())
    }

    async fn refuse(&mut self, row: &Row, reason: &str) -> Result<(), OutboxError> {
        let tries = row.tries.unwrap_or(0).saturating_add(1);
        let most = i32::try_from(self.relay.config.max_attempts).unwrap_or(i32::MAX);
        let doublings = u32::try_from(tries - 1).unwrap_or(0).min(16);
        let pause = (tries < most).then(|| (PAUSE * 2_u32.pow(doublings)).min(LONGEST_PAUSE));
        self.table.refuse(row, tries, reason, pause).await?;
        let Row { topic, key, id, .. } = row;
        if pause.is_some() {
            error!(topic, key, %id, tries, reason, "an event of the outbox is refused; its key waits, others go on");
        } else {
            error!(
                topic, key, %id, tries, reason,
                "an event of the outbox is dead, and its key waits; then `millgate outbox retry {id}`, or `discard`"
            );
        }
        Ok(())
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}
