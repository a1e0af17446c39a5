//! Jobs by the handful: for a worker whose jobs are small, an apalis task for each would cost more than they do.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use apalis_core::{
    backend::{Backend, BackendConfig as ApalisConfig, finalize::Ephemeral},
    task::{Task, builder::TaskBuilder},
    worker::context::WorkerContext,
};
use tower::layer::util::Identity;

use crate::{BackendConfig, Claimed, QueueBackend, Settle, Verdict};

/// Most jobs in one.
const MOST: usize = 64;

/// Some jobs that came at once, each to be judged by itself.
pub struct Handful {
    jobs: Vec<(u64, Claimed)>,
    settle: Arc<Settle>,
}

/// What is to be said of one job. Dropped, it hands the job back.
pub struct Judgement {
    run: u64,
    settle: Option<Arc<Settle>>,
}

impl Handful {
    /// The jobs.
    pub fn into_jobs(self) -> impl Iterator<Item = (Claimed, Judgement)> {
        let Self { jobs, settle } = self;
        jobs.into_iter().map(move |(run, job)| (job, Judgement { run, settle: Some(settle.clone()) }))
    }
}

impl Judgement {
    /// Says what became of the job.
    pub fn give(mut self, verdict: Verdict) {
        if let Some(settle) = self.settle.take() {
            settle.judge(self.run, verdict);
        }
    }
}

impl Drop for Judgement {
    fn drop(&mut self) {
        if let Some(settle) = self.settle.take() {
            settle.judge(self.run, Verdict::HandBack { after: Duration::ZERO });
        }
    }
}

/// Jobs of one queue for one apalis worker, whose handler judges each by its [`Judgement`].
pub struct HandfulBackend {
    queue: QueueBackend,
    settle: Arc<Settle>,
}

impl QueueBackend {
    /// The same jobs, as many in one task as come at once.
    pub fn in_handfuls(self) -> HandfulBackend {
        HandfulBackend { settle: Arc::new(self.settle.clone()), queue: self }
    }
}

impl Backend for HandfulBackend {
    type Task = Task<Handful>;
    type Error = Infallible;

    fn poll_ready(&mut self, cx: &mut Context<'_>, worker: &WorkerContext) -> Poll<Result<(), Infallible>> {
        self.queue.poll_ready(cx, worker)
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Option<Result<Task<Handful>, Infallible>>> {
        let mut jobs = Vec::new();
        if ready!(self.queue.jobs.poll_recv_many(cx, &mut jobs, MOST)) == 0 {
            return Poll::Ready(None);
        }
        let handful = Handful { jobs, settle: self.settle.clone() };
        Poll::Ready(Some(Ok(TaskBuilder::new(handful).build())))
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, worker: &WorkerContext) -> Poll<Result<(), Infallible>> {
        self.queue.poll_close(cx, worker)
    }
}

impl ApalisConfig for HandfulBackend {
    type Args = Handful;
    type Id = String;
    type Kind = Ephemeral;
    type Config = BackendConfig;
    type Layer = Identity;

    fn config(&self) -> &BackendConfig {
        self.queue.config()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Identity {
        Identity::new()
    }
}
