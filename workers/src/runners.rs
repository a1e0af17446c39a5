//! Tasks that begin jobs: one for each thread of the runtime, all on one line.
//!
//! A job that is done at once costs no task of its own. One that has to wait gets one, and its runner goes on. A handler
//! that blocks holds up its runner, as it would hold up any thread; the other runners go on with the line.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use futures::future::BoxFuture;
use millgate_jobs::Claimed;
use tokio::sync::Notify;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::AbortOnDropHandle,
};

use crate::{
    Done, JobError,
    metrics::Counted,
    run::{Terms, finish, watch},
    run_spans::RunSpans,
};

/// So many jobs after each other are begun before others of the runtime have their turn.
const TURN: usize = 32;

/// A job that is to be begun.
pub(crate) struct Entry {
    pub(crate) job: Claimed,
    pub(crate) judgement: Counted,
    /// Dropped with the last job of its handful, it lets that end.
    pub(crate) handful: Arc<DropGuard>,
}

/// The line, and who serves it.
pub(crate) struct Line {
    entries: Mutex<VecDeque<Entry>>,
    more: Notify,
    runners: usize,
    /// Fires when the worker is no more: whatever still runs ends.
    pub(crate) ended: CancellationToken,
}

impl Line {
    /// For a runner on each thread.
    pub(crate) fn new() -> Self {
        let runners = tokio::runtime::Handle::current().metrics().num_workers().max(1);
        Self { entries: Mutex::default(), more: Notify::new(), runners, ended: CancellationToken::new() }
    }

    pub(crate) fn push(&self, entries: impl Iterator<Item = Entry>) {
        // A push or a pop is all that happens under the lock; nothing can be torn.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).extend(entries);
        for _ in 0..self.runners {
            self.more.notify_one();
        }
    }

    fn next(&self) -> Option<Entry> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Starts the runners, which end with the worker.
    pub(crate) fn serve(self: &Arc<Self>, begin: impl Fn(Entry, &mut Context<'_>) + Clone + Send + Sync + 'static) {
        for _ in 0..self.runners {
            let (line, begin) = (self.clone(), begin.clone());
            tokio::spawn(async move {
                while line.ended.run_until_cancelled(line.turn(&begin)).await.is_some() {}
                // What nobody began goes back.
                line.entries.lock().unwrap_or_else(PoisonError::into_inner).clear();
            });
        }
    }

    async fn turn(&self, begin: &impl Fn(Entry, &mut Context<'_>)) {
        for _ in 0..TURN {
            let Some(entry) = self.next() else { return self.more.notified().await };
            let mut entry = Some(entry);
            std::future::poll_fn(|cx| {
                if let Some(entry) = entry.take() {
                    begin(entry, cx);
                }
                Poll::Ready(())
            })
            .await;
        }
        tokio::task::yield_now().await;
    }
}

/// Begins a job, and judges it if it is done at once; else it goes on in a task of its own.
pub(crate) fn begin(
    mut run: BoxFuture<'static, Result<Done, JobError>>,
    entry: Entry,
    terms: Terms,
    (spans, ended): (RunSpans, &CancellationToken),
    cx: &mut Context<'_>,
) {
    let polled = spans.in_scope(|| catch_unwind(AssertUnwindSafe(|| run.as_mut().poll(cx))));
    let Entry { job, judgement, handful } = entry;
    let answer = match polled {
        Ok(Poll::Ready(answer)) => Ok(answer),
        Err(panic) => Err(panic),
        Ok(Poll::Pending) => {
            let ended = ended.clone();
            let task = AbortOnDropHandle::new(tokio::spawn(spans.clone().around(run)));
            let watched = async move {
                if let Some(verdict) = ended.run_until_cancelled(watch(job, terms, task)).await {
                    judgement.give(verdict);
                }
                drop(handful);
            };
            tokio::spawn(spans.around(watched));
            return;
        }
    };
    spans.in_scope(|| judgement.give(finish(&job, &terms, answer)));
}
