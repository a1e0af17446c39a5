//! The partitions of a stream, each with its position and state.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use millgate_events::{Batch, Holding, Logs, Troubles, metrics};
use sqlx::{Connection, PgPool};
use tokio::{sync::Mutex as Slot, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{Clock, Stage, StreamError, StreamStats, position};

/// First pause after something went wrong, then doubled.
const PAUSE: Duration = Duration::from_millis(100);
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// What a runner gives to take.
pub(crate) struct Servers {
    pub(crate) database: PgPool,
    pub(crate) logs: Logs,
    pub(crate) group: String,
    pub(crate) troubles: Troubles,
    /// Those of the stream, as Kafka names them.
    pub(crate) topics: Vec<String>,
    /// A group without an offset begins with what comes then.
    pub(crate) begins_at_the_end: bool,
    pub(crate) stats: Arc<StreamStats>,
    pub(crate) stopping: CancellationToken,
}

/// A stage, whatever its state.
pub(crate) trait Take: Send + Sync {
    /// Takes a batch, however often that has to be tried, unless the partition is lost or the runner stops.
    fn take<'a>(&'a self, batch: Batch, servers: &'a Servers) -> BoxFuture<'a, ()>;
    /// How often the clock turns.
    fn clock(&self) -> Option<Clock>;
    /// A turn of the clock, at a process that has these partitions.
    fn turn<'a>(&'a self, holdings: &'a [Holding], servers: &'a Servers) -> BoxFuture<'a, Result<(), StreamError>>;
}

/// A partition that is open.
pub(crate) struct Open<T> {
    pub(crate) holding: Holding,
    /// The first offset that is not taken.
    pub(crate) next: Option<i64>,
    /// When something was last taken, or when it came here.
    pub(crate) since: Instant,
    /// When Kafka was last asked whether it is idle.
    pub(crate) asked: Option<Instant>,
    pub(crate) state: T,
}

pub(crate) struct Partitions<S: Stage> {
    pub(crate) stream: String,
    pub(crate) stage: S,
    /// Held while something is done with a partition: a batch, or a turn of the clock.
    slots: Mutex<HashMap<Place, OpenSlot<S::State>>>,
    /// Those that are read again from where the tables are.
    rewound: Mutex<HashMap<Place, (Holding, i64)>>,
    /// How many partitions each topic has, and when that was asked.
    pub(crate) counts: Mutex<Option<(Instant, Counts)>>,
}

/// Topics, and how many partitions each has.
pub(crate) type Counts = Vec<(String, usize)>;
type Place = (Arc<str>, i32);
type OpenSlot<T> = Arc<Slot<Option<Open<T>>>>;

/// What to do with a batch that was looked at.
enum Taken {
    All,
    /// It begins too late: the position is before it.
    ReadFrom(i64),
}

impl<S: Stage> Partitions<S> {
    pub(crate) fn new(stream: &str, stage: S) -> Self {
        Self {
            stream: stream.to_owned(),
            stage,
            slots: Mutex::default(),
            rewound: Mutex::default(),
            counts: Mutex::default(),
        }
    }

    pub(crate) fn slot(&self, holding: &Holding) -> OpenSlot<S::State> {
        lock(&self.slots).entry((holding.topic().clone(), holding.partition())).or_default().clone()
    }

    /// Lets go of what is remembered of partitions that are another's now.
    pub(crate) fn forget_lost(&self, holdings: &[Holding]) {
        let is_ours = |place: &Place| holdings.iter().any(|own| (own.topic(), own.partition()) == (&place.0, place.1));
        lock(&self.slots).retain(|place, slot| is_ours(place) || Arc::strong_count(slot) > 1);
    }

    /// One try.
    async fn once(&self, batch: &Batch, servers: &Servers) -> Result<Taken, StreamError> {
        let holding = batch.token.holding();
        let (first, last) = match (batch.records.first(), batch.records.last()) {
            (Some(first), Some(last)) => (first.offset, last.offset),
            _ => return Ok(Taken::All),
        };
        let slot = self.slot(holding);
        let mut held = slot.lock().await;
        let mut connection = servers.database.acquire().await?;
        let mut transaction = connection.begin().await?;
        // Taken out: if anything fails from here on, it is opened anew.
        let known = held.take().filter(|open| open.holding.is(holding));
        let mut open = if let Some(open) = known {
            open
        } else {
            let next = position::read(&self.stream, holding, &mut transaction).await?;
            if let Some(next) = next {
                self.compare(next, first, holding, servers).await?;
                if next < first && holding.began() != Some(next) {
                    if !self.was_rewound(holding, next) {
                        return Ok(Taken::ReadFrom(next));
                    }
                    self.tell_missing(next, holding, servers).await?;
                }
            }
            let state = self.stage.open(holding, &mut transaction).await?;
            Open { holding: holding.clone(), next, since: Instant::now(), asked: None, state }
        };
        let begin = batch.records.partition_point(|record| Some(record.offset) < open.next);
        let fresh = &batch.records[begin..];
        if !fresh.is_empty() {
            self.stage.take(&mut open.state, fresh, &mut transaction).await?;
            position::advance(&self.stream, holding, open.next, last + 1, &mut transaction).await?;
            transaction.commit().await?;
            (open.next, open.since) = (Some(last + 1), Instant::now());
            self.stage.taken(&mut open.state);
        }
        servers.stats.took(fresh.len(), begin);
        lock(&self.rewound).remove(&(holding.topic().clone(), holding.partition()));
        *held = Some(open);
        Ok(Taken::All)
    }

    /// Whether this was asked before, and what comes first now is all that there is.
    fn was_rewound(&self, holding: &Holding, to: i64) -> bool {
        let place = (holding.topic().clone(), holding.partition());
        let before = lock(&self.rewound).insert(place, (holding.clone(), to));
        before.is_some_and(|(before, place)| before.is(holding) && place == to)
    }

    /// Records may be missing that were compacted away, or never were any. That Kafka deleted them is worth to be known.
    async fn tell_missing(&self, next: i64, holding: &Holding, servers: &Servers) -> Result<(), StreamError> {
        let (begin, _) = servers.logs.bounds(holding.topic(), holding.partition()).await?;
        if begin > next {
            error!(
                stream = self.stream, topic = %holding.topic(), partition = holding.partition(), next, begin,
                "Kafka has deleted records that are not in the tables; raise the topic's retention"
            );
        }
        Ok(())
    }

    /// Whether a position can be one of this partition.
    async fn compare(&self, next: i64, first: i64, holding: &Holding, servers: &Servers) -> Result<(), StreamError> {
        if next <= first {
            return Ok(());
        }
        let (_, end) = servers.logs.bounds(holding.topic(), holding.partition()).await?;
        if next <= end {
            return Ok(());
        }
        let (stream, topic) = (self.stream.clone(), holding.topic().to_string());
        Err(StreamError::TopicIsAnother { stream, topic, partition: holding.partition(), position: next, end })
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is one step; none can leave it torn.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: Stage> Take for Partitions<S> {
    fn take<'a>(&'a self, batch: Batch, servers: &'a Servers) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let (mut pause, began) = (PAUSE, Instant::now());
            let trouble = servers.troubles.of(batch.token.holding(), &self.stream);
            loop {
                match self.once(&batch, servers).await {
                    Ok(Taken::All) => {
                        trouble.goes_on();
                        let topic = batch.token.holding().topic();
                        metrics().processed(topic, &servers.group, batch.records.len(), began.elapsed());
                        return batch.token.settle();
                    }
                    Ok(Taken::ReadFrom(offset)) => {
                        info!(stream = self.stream, topic = %batch.token.holding().topic(),
                            partition = batch.token.holding().partition(), offset,
                            "Kafka's offset is ahead of what is in the tables; reading again");
                        return batch.token.rewind(offset);
                    }
                    // It comes again to whoever has the partition.
                    Err(_) if batch.token.is_revoked() || servers.stopping.is_cancelled() => return,
                    Err(error) => {
                        servers.stats.failed();
                        trouble
                            .waits(format_args!("stream {} cannot take its records, trying on: {error}", self.stream));
                        let (topic, partition) = (batch.token.holding().topic(), batch.token.holding().partition());
                        warn!(stream = self.stream, %topic, partition, %error, "a batch was not taken; trying again");
                    }
                }
                if servers.stopping.run_until_cancelled(sleep(pause)).await.is_none() || batch.token.is_revoked() {
                    return;
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        })
    }

    fn clock(&self) -> Option<Clock> {
        self.stage.clock()
    }

    fn turn<'a>(&'a self, holdings: &'a [Holding], servers: &'a Servers) -> BoxFuture<'a, Result<(), StreamError>> {
        Box::pin(self.turned(holdings, servers))
    }
}
