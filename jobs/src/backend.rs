//! The seam to apalis: a backend whose tasks are leased jobs, and whose layer settles them.
//!
//! apalis gives the worker, its layers and its lifecycle; where jobs come from, what a lease is and what a
//! result changes is ours. No poll here ever fails: an error from a poll ends an apalis worker.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll},
    time::Duration,
};

use apalis_core::{
    backend::{Backend, BackendConfig as ApalisConfig, finalize::Ephemeral},
    error::BoxDynError,
    task::{ExecutionContext, Task, builder::TaskBuilder, task_id::TaskId},
    worker::{
        context::WorkerContext,
        ext::ack::{Acknowledge, AcknowledgeLayer},
    },
};
use futures::future::{Ready, ready};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Claimed, Claiming, Failure, Hands, Queue, QueueError, Verdict, fetcher::Fetcher, lease::InHand,
    lease_keeper::LeaseKeeper, settle::Settlement, settler,
};

/// How a worker takes jobs from a queue.
#[derive(Debug, Clone)]
pub struct BackendConfig {
    /// Most jobs in hand.
    pub concurrency: usize,
    /// A lease that is not renewed for this long is lost.
    pub lease: Duration,
    /// When this fires no more jobs are fetched.
    pub stop: CancellationToken,
}

/// Jobs of one queue for one apalis worker. Its handler answers with a [`Verdict`].
pub struct QueueBackend {
    pub(crate) jobs: mpsc::UnboundedReceiver<(u64, Claimed)>,
    pub(crate) settle: Settle,
    config: BackendConfig,
    fetching: JoinHandle<()>,
    claiming: watch::Receiver<Claiming>,
    _keeper: Arc<LeaseKeeper>,
}

/// Outlives the worker: results are still being written when the last handler is done.
pub struct Settling {
    task: JoinHandle<()>,
    settle: Settle,
    _keeper: Arc<LeaseKeeper>,
}

/// The worker's end of the settler.
#[derive(Clone)]
pub struct Settle {
    in_hand: Arc<InHand>,
    verdicts: mpsc::UnboundedSender<Settlement>,
}

impl QueueBackend {
    /// Starts fetching. The second part has to be [closed](Settling::close) when the worker has ended.
    pub fn start(queue: &Queue, config: BackendConfig) -> Result<(Self, Settling), QueueError> {
        let (job_sender, jobs) = mpsc::unbounded_channel();
        let (verdicts, verdict_receiver) = mpsc::unbounded_channel();
        let in_hand = Arc::new(InHand::new(config.concurrency.max(1)));
        let keeper = Arc::new(LeaseKeeper::start(queue.clone(), in_hand.clone(), config.lease)?);
        let (sayer, claiming) = watch::channel(Claiming::Resting);
        let fetcher = Fetcher {
            queue: queue.clone(),
            lease: config.lease,
            in_hand: in_hand.clone(),
            all_places: config.concurrency.max(1),
            jobs: job_sender,
            verdicts: verdicts.clone(),
            stop: config.stop.clone(),
            claiming: sayer,
        };
        let settle = Settle { in_hand: in_hand.clone(), verdicts };
        let settling = Settling {
            task: tokio::spawn(settler::settle_all(queue.clone(), in_hand, verdict_receiver)),
            settle: settle.clone(),
            _keeper: keeper.clone(),
        };
        let fetching = tokio::spawn(fetcher.run());
        Ok((Self { jobs, settle, config, fetching, claiming, _keeper: keeper }, settling))
    }

    /// What it has in hand, from now on.
    pub fn hands(&self) -> Hands {
        let (in_hand, claiming) = (self.settle.in_hand.clone(), self.claiming.clone());
        Hands { in_hand, places: self.config.concurrency.max(1), claiming }
    }
}

impl Settle {
    /// A run has come to a verdict.
    pub(crate) fn judge(&self, run: u64, verdict: Verdict) {
        if matches!(verdict, Verdict::HandBack { .. }) {
            self.in_hand.handed_back.store(true, Relaxed);
        }
        if let Some(hold) = self.in_hand.judge(run) {
            let _ = self.verdicts.send(Settlement { run, hold, verdict });
        }
    }
}

impl Settling {
    /// Hands back what is still in hand, at once and without spending an attempt, and waits until every result is
    /// written. Call it when the worker has ended, or must not go on.
    pub async fn close(self) {
        for (run, hold) in self.settle.in_hand.open() {
            let verdict = Verdict::HandBack { after: Duration::ZERO };
            let _ = self.settle.verdicts.send(Settlement { run, hold, verdict });
        }
        drop(self.settle);
        let _ = self.task.await;
    }
}

impl Backend for QueueBackend {
    type Task = Task<Claimed>;
    type Error = Infallible;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Option<Result<Task<Claimed>, Infallible>>> {
        self.jobs.poll_recv(cx).map(|job| {
            let (run, job) = job?;
            // What is a task to apalis is a run to us: the same job can come twice, under two leases.
            Some(Ok(TaskBuilder::new(job).task_id(TaskId::Int(run)).build()))
        })
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, worker: &WorkerContext) -> Poll<Result<(), Infallible>> {
        // A claim on its way is waited for: cut off, its jobs would be leased to nobody until the leases end.
        // What was fetched and not started goes back with everything else in hand.
        self.config.stop.cancel();
        Pin::new(&mut self.fetching).poll(cx).map(|_| {
            // A worker whose backend has ended waits to be told so. Refused only if it knows already.
            let _ = worker.stop();
            Ok(())
        })
    }
}

impl ApalisConfig for QueueBackend {
    type Args = Claimed;
    type Id = String;
    type Kind = Ephemeral;
    type Config = BackendConfig;
    type Layer = AcknowledgeLayer<Settle>;

    fn config(&self) -> &BackendConfig {
        &self.config
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Self::Layer {
        AcknowledgeLayer::new(self.settle.clone())
    }
}

impl Acknowledge<Verdict> for Settle {
    type Error = Infallible;
    type Future = Ready<Result<(), Infallible>>;

    fn ack(&mut self, result: &Result<Verdict, BoxDynError>, context: &ExecutionContext) -> Self::Future {
        let run = context.task_id().and_then(TaskId::as_int);
        let verdict = match result {
            Ok(verdict) => verdict.clone(),
            // The handler's service turns every outcome into a verdict; an error comes from a layer around it.
            Err(error) => Verdict::Retry { after: Duration::from_secs(1), failure: Failure::new("internal", error) },
        };
        if let Some(run) = run {
            self.judge(run, verdict);
        }
        ready(Ok(()))
    }
}
