//! A worker whose jobs the test does by hand.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use apalis_core::{task::Task, worker::builder::WorkerBuilder};
use futures::{FutureExt, future::BoxFuture};
use millgate_jobs::{BackendConfig, Claimed, Failure, Hands, JobId, Queue, QueueBackend, Verdict};
use millgate_testkit::wait_for;
use tokio::{
    runtime::Runtime,
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::bench::{SOON, Work};

#[derive(Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) concurrency: usize,
    pub(crate) lease: Duration,
}

impl Settings {
    /// One job at a time, under a lease that no test outlives, nor what it lets pass while a job runs.
    pub(crate) const ONE: Self = Self { concurrency: 1, lease: Duration::from_hours(24) };

    pub(crate) fn lease(lease: Duration) -> Self {
        Self { lease, ..Self::ONE }
    }

    pub(crate) fn concurrency(concurrency: usize) -> Self {
        Self { concurrency, ..Self::ONE }
    }
}

/// An apalis worker on a queue, as `millgate-workers` makes it, on a runtime of its own, so that it can be killed.
pub(crate) struct Worker {
    runs: mpsc::UnboundedReceiver<Run>,
    hands: Hands,
    stop: CancellationToken,
    ended: Option<JoinHandle<()>>,
    runtime: Option<Runtime>,
}

/// A job that the worker has begun, and whose end the test decides.
pub(crate) struct Run {
    pub(crate) job: Claimed,
    verdict: oneshot::Sender<Verdict>,
}

impl Worker {
    pub(crate) fn start(queue: &Queue, settings: Settings) -> Self {
        let (begun, runs) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let entered = runtime.enter();
        let stop = CancellationToken::new();
        let config = BackendConfig { concurrency: settings.concurrency, lease: settings.lease, stop: stop.clone() };
        let (backend, settling) = QueueBackend::start(queue, config).unwrap();
        let hands = backend.hands();
        let worker = WorkerBuilder::new("test").backend(backend).build(ByHand(Arc::new(begun)));
        let ended = runtime.spawn(async move {
            worker.run().await.unwrap();
            settling.close().await;
        });
        drop(entered);
        Self { runs, hands, stop, ended: Some(ended), runtime: Some(runtime) }
    }

    /// The next job that it begins.
    pub(crate) async fn next(&mut self) -> Run {
        tokio::time::timeout(SOON, self.runs.recv()).await.expect("a job begins").expect("a worker that runs")
    }

    /// A job that it has begun by now, if any.
    pub(crate) fn begun(&mut self) -> Option<Run> {
        self.runs.try_recv().ok()
    }

    /// The next job that one of some workers begins.
    pub(crate) async fn next_of(workers: &mut [Self]) -> Run {
        wait_for("a job begins", SOON, async || workers.iter_mut().find_map(Self::begun)).await
    }

    /// Does whatever comes, with `verdict`, until the worker ends.
    pub(crate) fn answer_all(mut self, verdict: impl Fn(&Claimed) -> Verdict + Send + 'static) -> Self {
        let (_, none) = mpsc::unbounded_channel();
        let mut runs = std::mem::replace(&mut self.runs, none);
        self.runtime().spawn(async move {
            while let Some(run) = runs.recv().await {
                let verdict = verdict(&run.job);
                run.end(verdict);
            }
        });
        self
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().unwrap()
    }

    /// What it has in hand.
    pub(crate) fn hands(&self) -> &Hands {
        &self.hands
    }

    /// Asks it to stop, and does not wait.
    pub(crate) fn ask_to_stop(&self) {
        self.stop.cancel();
    }

    /// Stops it, and waits until its jobs are done and settled.
    pub(crate) async fn stop(mut self) {
        self.ask_to_stop();
        let ended = self.ended.take().unwrap();
        tokio::time::timeout(SOON, ended).await.expect("the worker stops").unwrap();
    }

    /// It dies without a word: no job is handed back, no lease renewed.
    pub(crate) fn kill(self) {
        drop(self);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Does not wait for anything, as a machine does not that loses its power.
        self.runtime.take().unwrap().shutdown_background();
    }
}

impl Run {
    pub(crate) fn n(&self) -> usize {
        serde_json::from_str::<Work>(&self.job.payload).unwrap().n
    }

    /// What the queue calls it.
    pub(crate) fn key(&self) -> JobId {
        self.job.id.parse().expect("a job without an id of its own")
    }

    pub(crate) fn end(self, verdict: Verdict) {
        // A worker that died meanwhile does not listen.
        let _ = self.verdict.send(verdict);
    }

    pub(crate) fn done(self) {
        self.end(Verdict::Done);
    }

    pub(crate) fn fail(self, after: Duration) {
        self.end(Verdict::Retry { after, failure: Failure::new("broken", "it broke") });
    }
}

/// Gives each job to the test, and waits for the verdict.
#[derive(Clone)]
struct ByHand(Arc<mpsc::UnboundedSender<Run>>);

impl Service<Task<Claimed>> for ByHand {
    type Response = Verdict;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Verdict, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, task: Task<Claimed>) -> Self::Future {
        let (verdict, decided) = oneshot::channel();
        let _ = self.0.send(Run { job: task.args, verdict });
        async move {
            match decided.await {
                Ok(verdict) => Ok(verdict),
                // The test lets go of the job: it is never done.
                Err(_) => std::future::pending().await,
            }
        }
        .boxed()
    }
}
