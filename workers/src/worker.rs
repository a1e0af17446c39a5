//! Workers: one apalis worker for each queue, stopped together.

use std::{sync::Arc, time::Duration};

use apalis_core::worker::builder::WorkerBuilder;
use futures::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use millgate_jobs::{BackendConfig, Hands, QueueBackend, QueueError, Queues, Settling};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{error, info, warn};

use crate::{Handlers, State, Tally, WorkerConfig, service::JobService};

/// How long results may still take to reach Redis when everything else has ended.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Why workers cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// There is nothing to do.
    #[error("no queue to work on; add handlers to the App")]
    NoQueues,
    /// A queue that no handler works on.
    #[error("no handler works on queue `{queue}`; there are: {known}")]
    UnknownQueue {
        /// The queue.
        queue: String,
        /// Those that have handlers.
        known: String,
    },
    /// Handlers take what the state does not have.
    #[error("handlers need what the App's state does not have: {}; add App::state(…) for each", list(.0))]
    NoState(
        /// Kinds of jobs, and the types that their handlers take.
        Vec<(&'static str, &'static str)>,
    ),
    /// Redis cannot be used.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

fn list(missing: &[(&str, &str)]) -> String {
    missing.iter().map(|(kind, name)| format!("{name} (for {kind})")).collect::<Vec<_>>().join(", ")
}

/// Runs jobs of some queues.
pub struct Worker {
    runs: Vec<Run>,
    fetching: CancellationToken,
    shutdown_timeout: Duration,
}

/// One queue's worker.
struct Run {
    queue: String,
    worker: BoxFuture<'static, Result<(), apalis_core::error::WorkerError>>,
    settling: Settling,
    hands: Hands,
    tally: Tally,
}

impl Worker {
    /// Starts taking jobs; Redis need not be up yet. Without named queues it takes from all that have handlers.
    #[expect(clippy::needless_pass_by_value, reason = "what is handed over is the worker's from then on")]
    pub fn start(
        config: &WorkerConfig,
        queues: &Queues,
        handlers: Arc<Handlers>,
        state: State,
    ) -> Result<Self, WorkerError> {
        let known = handlers.queues();
        let mut names: Vec<&str> = config.queues.iter().map(String::as_str).collect();
        if names.is_empty() {
            names = known.to_vec();
        }
        if names.is_empty() {
            return Err(WorkerError::NoQueues);
        }
        if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
            return Err(WorkerError::UnknownQueue { queue: (*unknown).to_owned(), known: known.join(", ") });
        }
        let missing = handlers.missing(&names, &state);
        if !missing.is_empty() {
            return Err(WorkerError::NoState(missing));
        }
        info!(queues = names.join(" "), concurrency = config.concurrency, "worker starts");
        let fetching = CancellationToken::new();
        let runs = names.into_iter().map(|name| {
            let settings =
                BackendConfig { concurrency: config.concurrency, lease: config.lease, stop: fetching.clone() };
            let queue = queues.queue(name);
            let (backend, settling) = QueueBackend::start(&queue, settings)?;
            let hands = backend.hands();
            let tally = Tally::default();
            let service = JobService::new(&handlers, state.clone(), config, queue, tally.clone());
            let worker = WorkerBuilder::new(format!("millgate-{name}")).backend(backend.in_handfuls()).build(service);
            Ok(Run { queue: name.to_owned(), worker: worker.run().boxed(), settling, hands, tally })
        });
        let runs = runs.collect::<Result<Vec<_>, QueueError>>()?;
        Ok(Self { runs, fetching, shutdown_timeout: config.shutdown_timeout })
    }

    /// The queues it takes from.
    pub fn queues(&self) -> Vec<String> {
        self.runs.iter().map(|run| run.queue.clone()).collect()
    }

    /// What it has in hand, queue by queue, from now on.
    pub fn hands(&self) -> Vec<(String, Hands)> {
        self.runs.iter().map(|run| (run.queue.clone(), run.hands.clone())).collect()
    }

    /// What it sees of the jobs of each queue, from now on.
    pub fn tallies(&self) -> Vec<(String, Tally)> {
        self.runs.iter().map(|run| (run.queue.clone(), run.tally.clone())).collect()
    }

    /// Runs until `stop` fires; then takes no more jobs, lets those in hand finish within the shutdown timeout,
    /// and hands back the rest.
    pub async fn run(self, stop: CancellationToken) {
        let queues = self.queues();
        let Self { runs, fetching, shutdown_timeout } = self;
        let deadline = async move {
            stop.cancelled().await;
            info!("worker stops");
            fetching.cancel();
            tokio::time::sleep(shutdown_timeout).await;
        }
        .shared();
        // Tasks, for what a runtime blocks on has a thread of its own, and each job would cross from it to another and back.
        let run = |run| AbortOnDropHandle::new(tokio::spawn(finish(run, deadline.clone()).boxed()));
        for (ended, queue) in join_all(runs.into_iter().map(run)).await.into_iter().zip(queues) {
            if let Err(error) = ended {
                error!(queue, %error, "the queue's worker broke down");
            }
        }
    }
}

async fn finish(run: Run, deadline: impl Future<Output = ()>) {
    let Run { queue, worker, settling, .. } = run;
    tokio::select! {
        ended = worker => if let Err(error) = ended {
            error!(queue, %error, "the queue's worker ended early");
        },
        // Dropping the worker ends its handlers; what they had in hand goes back.
        () = deadline => warn!(queue, "jobs are not done within the shutdown timeout; handing them back"),
    }
    if tokio::time::timeout(LAST_WORDS, settling.close()).await.is_err() {
        warn!(queue, "Redis takes no results; jobs in hand will run again when their leases end");
    }
}
