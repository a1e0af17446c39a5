//! The partitions of a stream, each with its position and state.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures::{FutureExt, future::BoxFuture};
use millgate_events::{Batch, Holding, Logs, Troubles, metrics};
use sqlx::{Connection, PgConnection, PgPool};
use tokio::{sync::Mutex as Slot, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{Clock, Stage, StageError, StreamError, StreamStats, position};

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
    /// How often the clock turns, if the stage has any use for it.
    fn clock(&self) -> Option<Clock>;
    /// A turn of the clock, at a process that has these partitions, also for a stage that has no use for it.
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
    /// Whether a batch showed that Kafka gives what comes next.
    is_compared: bool,
    pub(crate) state: T,
}

pub(crate) struct Partitions<S: Stage> {
    pub(crate) stream: String,
    pub(crate) stage: S,
    /// Held while something is done with a partition: a batch, or a turn of the clock.
    slots: Mutex<HashMap<Place, OpenSlot<S::State>>>,
    /// Those that are read again from where the tables are.
    pub(crate) rewound: Mutex<HashMap<Place, (Holding, i64)>>,
    /// How many partitions each topic has, and when that was asked.
    pub(crate) counts: Mutex<Option<(Instant, Counts)>>,
}

/// Topics, and how many partitions each has.
pub(crate) type Counts = Vec<(String, usize)>;
pub(crate) type Place = (Arc<str>, i32);
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
        let mut open = match known {
            Some(open) => open,
            None => self.open(holding, &mut transaction).await?,
        };
        if !open.is_compared {
            if let Some(from) = self.behind(open.next, first, holding, servers).await? {
                return Ok(Taken::ReadFrom(from));
            }
            open.is_compared = true;
        }
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

    /// Reads where the tables are in a partition, and what they have of it.
    pub(crate) async fn open(
        &self,
        holding: &Holding,
        database: &mut PgConnection,
    ) -> Result<Open<S::State>, StreamError> {
        let next = position::read(&self.stream, holding, database).await?;
        let state = self.stage.open(holding, database).await?;
        Ok(Open { holding: holding.clone(), next, since: Instant::now(), asked: None, is_compared: false, state })
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is one step; none can leave it torn.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A panic, of a stage or of what it was given, is an error like any other: it is told, and tried again after a pause.
pub(crate) async fn caught<T>(work: impl Future<Output = Result<T, StreamError>>) -> Result<T, StreamError> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<&str>().map(ToString::to_string);
        let said = said.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(StageError::Other(format!("panicked: {}", said.as_deref().unwrap_or("without a word"))).into())
    })
}

impl<S: Stage> Take for Partitions<S> {
    fn take<'a>(&'a self, batch: Batch, servers: &'a Servers) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let (mut pause, began) = (PAUSE, Instant::now());
            let trouble = servers.troubles.of(batch.token.holding(), &self.stream);
            loop {
                match caught(self.once(&batch, servers)).await {
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
