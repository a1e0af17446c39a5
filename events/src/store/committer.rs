//! Commits appends of several callers together: what a commit costs, the disk above all, is paid once for all of them.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use sqlx::{PgPool, Postgres, pool::PoolConnection};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    task::yield_now,
    time::sleep,
};
use tracing::warn;

use super::{
    StoreError,
    append::{self, Append},
};

/// Transactions at a time: while one waits for the disk the next one is made.
const AT_ONCE: usize = 2;
/// Events and bytes of payloads in one of them, unless a single append has more.
const EVENTS: usize = 500;
/// Those of several callers wait so long for a stream that another transaction has.
const PATIENCE: Duration = Duration::from_millis(50);
/// A connection that has had nothing to do for so long goes back to the pool.
const IDLE: Duration = Duration::from_secs(1);
/// Least time between two words to relay and projections. They commit one after the other (`NOTIFY`).
const WAKE_EVERY: Duration = Duration::from_millis(10);

/// Somebody who waits for their append.
pub(super) struct Pending {
    append: Append,
    answer: oneshot::Sender<Result<i64, StoreError>>,
}

/// What takes appends, as long as there is somebody who may append.
#[derive(Debug, Clone)]
pub(super) struct Committer(mpsc::UnboundedSender<Pending>);

impl Committer {
    pub(super) fn start(database: PgPool) -> Self {
        // Everybody waits for their answer: there are never more than callers.
        let (sender, pending) = mpsc::unbounded_channel();
        tokio::spawn(run(database, pending));
        Self(sender)
    }

    /// Returns once it is committed, or refused.
    pub(super) async fn append(&self, append: Append) -> Result<i64, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.0.send(Pending { append, answer }).map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// Whether its task has ended, with the runtime that it ran on.
    pub(super) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

type Connection = PoolConnection<Postgres>;

/// What came of a transaction.
struct Settled {
    /// Streams that are free again.
    freed: Vec<String>,
    /// Those that have to be tried by themselves, since one of them has failed the others.
    alone: Vec<Pending>,
    /// Whether it was one of those that are counted.
    is_batch: bool,
    /// For the next one.
    connection: Option<Connection>,
}

async fn run(database: PgPool, mut pending: mpsc::UnboundedReceiver<Pending>) {
    let mut waiting: VecDeque<Pending> = VecDeque::new();
    // A stream is in one transaction at a time: in two, one would only wait for the other.
    let mut busy: HashSet<String> = HashSet::new();
    let mut out: FuturesUnordered<BoxFuture<'static, Settled>> = FuturesUnordered::new();
    let (mut batches, mut is_open) = (0, true);
    let mut spare: Vec<Connection> = Vec::new();
    let wake = Arc::new(Notify::new());
    let waking = tokio::spawn(wake_others(database.clone(), wake.clone()));
    let _waking = tokio_util::task::AbortOnDropHandle::new(waking);
    while is_open || !out.is_empty() || !waiting.is_empty() {
        while batches < AT_ONCE {
            let batch = take(&mut waiting, &mut busy);
            if batch.is_empty() {
                break;
            }
            batches += 1;
            let connection = spare.pop();
            out.push(Box::pin(commit(database.clone(), connection, batch, true, wake.clone())));
        }
        tokio::select! {
            () = sleep(IDLE), if out.is_empty() && !spare.is_empty() => spare.clear(),
            received = pending.recv(), if is_open => match received {
                Some(first) => {
                    waiting.push_back(first);
                    // Those who were answered together append again together: a moment for them to come.
                    yield_now().await;
                    while let Ok(next) = pending.try_recv() {
                        waiting.push_back(next);
                    }
                }
                None => is_open = false,
            },
            Some(settled) = out.next() => {
                batches -= usize::from(settled.is_batch);
                spare.extend(settled.connection);
                for stream in &settled.freed {
                    busy.remove(stream);
                }
                for pending in settled.alone {
                    out.push(Box::pin(commit(database.clone(), None, vec![pending], false, wake.clone())));
                }
            }
        }
    }
    // The last ones are told of, too.
    notify(&database).await;
}

/// The oldest that can go together: of different streams, in the order of their names, so that transactions that have
/// several in common wait for each other, and do not lock each other up.
fn take(waiting: &mut VecDeque<Pending>, busy: &mut HashSet<String>) -> Vec<Pending> {
    let (mut batch, mut events): (Vec<Pending>, usize) = (Vec::new(), 0);
    let mut left = VecDeque::with_capacity(waiting.len());
    while let Some(pending) = waiting.pop_front() {
        let count = pending.append.rows.len();
        if !batch.is_empty() && events + count > EVENTS {
            // None of its stream may go before it.
            waiting.push_front(pending);
            break;
        }
        if busy.insert(pending.append.stream.name().to_owned()) {
            events += count;
            batch.push(pending);
        } else {
            left.push_back(pending);
        }
    }
    left.append(waiting);
    *waiting = left;
    batch.sort_by(|a, b| a.append.stream.name().cmp(b.append.stream.name()));
    batch
}

async fn commit(
    database: PgPool,
    connection: Option<Connection>,
    batch: Vec<Pending>,
    is_batch: bool,
    wake: Arc<Notify>,
) -> Settled {
    let committed = async {
        let mut connection = match connection {
            Some(connection) => connection,
            None => database.acquire().await?,
        };
        let patience = is_batch.then_some(PATIENCE);
        let appends = batch.iter().map(|pending| &pending.append);
        let results = append::execute(&mut connection, appends, true, patience).await?;
        Ok((results, connection))
    };
    let mut settled = Settled { freed: Vec::new(), alone: Vec::new(), is_batch, connection: None };
    match committed.await {
        Ok((results, connection)) => {
            wake.notify_one();
            settled.connection = is_batch.then_some(connection);
            for (Pending { append, answer }, result) in batch.into_iter().zip(results) {
                let _ = answer.send(append.outcome(result));
                settled.freed.push(append.stream.to_string());
            }
        }
        // The server has taken all of it back. Whichever of them it was about, the others can do without; and one that waits
        // for its stream does so by itself (55P03: lock_not_available).
        Err(sqlx::Error::Database(error))
            if is_batch && (batch.len() > 1 || error.code().as_deref() == Some("55P03")) =>
        {
            settled.alone = batch;
        }
        Err(error) => {
            let said = error.to_string();
            let mut first = Some(error);
            for Pending { append, answer } in batch {
                let error = first.take().unwrap_or_else(|| sqlx::Error::Protocol(said.clone()));
                let _ = answer.send(Err(error.into()));
                settled.freed.push(append.stream.to_string());
            }
        }
    }
    settled
}

/// Wakes relay and projections after commits: one word for many.
async fn wake_others(database: PgPool, wake: Arc<Notify>) {
    loop {
        wake.notified().await;
        notify(&database).await;
        sleep(WAKE_EVERY).await;
    }
}

async fn notify(database: &PgPool) {
    let notify = "SELECT pg_notify('millgate_outbox', ''), pg_notify('millgate_store', '')";
    if let Err(error) = sqlx::query(notify).execute(database).await {
        warn!(%error, "relay and projections are not woken; they look by themselves");
    }
}
