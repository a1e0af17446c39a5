//! The partitions of a stream, each with its position and state.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use millgate_events::{Batch, Holding, Logs, Troubles, metrics};
use sqlx::{Connection, PgPool};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{Stage, StreamError, StreamStats, position};

/// First pause after something went wrong, then doubled.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// What a runner gives to take.
pub(crate) struct Servers {
    pub(crate) database: PgPool,
    pub(crate) logs: Logs,
    pub(crate) group: String,
    pub(crate) troubles: Troubles,
    pub(crate) stats: Arc<StreamStats>,
    pub(crate) stopping: CancellationToken,
}

/// A stage, whatever its state.
pub(crate) trait Take: Send + Sync {
    /// Takes a batch, however often that has to be tried, unless the partition is lost or the runner stops.
    fn take<'a>(&'a self, batch: Batch, servers: &'a Servers) -> BoxFuture<'a, ()>;
}

/// A partition that is open.
struct Open<T> {
    holding: Holding,
    /// The first offset that is not taken.
    next: Option<i64>,
    state: T,
}

pub(crate) struct Partitions<S: Stage> {
    stream: String,
    stage: S,
    /// Those of which no batch is out.
    open: Mutex<Opened<S::State>>,
    /// Those that are read again from where the tables are.
    rewound: Mutex<HashMap<Place, (Holding, i64)>>,
}

type Place = (Arc<str>, i32);
type Opened<T> = HashMap<Place, Open<T>>;

/// What to do with a batch that was looked at.
enum Taken {
    All,
    /// It begins too late: the position is before it.
    ReadFrom(i64),
}

impl<S: Stage> Partitions<S> {
    pub(crate) fn new(stream: &str, stage: S) -> Self {
        Self { stream: stream.to_owned(), stage, open: Mutex::default(), rewound: Mutex::default() }
    }

    /// One try.
    async fn once(&self, batch: &Batch, servers: &Servers) -> Result<Taken, StreamError> {
        let holding = batch.token.holding();
        let place = (holding.topic().clone(), holding.partition());
        let (first, last) = match (batch.records.first(), batch.records.last()) {
            (Some(first), Some(last)) => (first.offset, last.offset),
            _ => return Ok(Taken::All),
        };
        let mut connection = servers.database.acquire().await?;
        let mut transaction = connection.begin().await?;
        // Taken out: if anything fails from here on, it is opened anew.
        let known = lock(&self.open).remove(&place).filter(|open| open.holding.is(holding));
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
            Open { holding: holding.clone(), next, state }
        };
        let begin = batch.records.partition_point(|record| Some(record.offset) < open.next);
        let fresh = &batch.records[begin..];
        if !fresh.is_empty() {
            self.stage.take(&mut open.state, fresh, &mut transaction).await?;
            position::advance(&self.stream, holding, open.next, last + 1, &mut transaction).await?;
            transaction.commit().await?;
            open.next = Some(last + 1);
        }
        servers.stats.took(fresh.len(), begin);
        lock(&self.rewound).remove(&place);
        lock(&self.open).insert(place, open);
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
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
}
