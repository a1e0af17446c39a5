//! One run of one job: from a lease to a verdict.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use apalis_core::task::Task;
use futures::future::BoxFuture;
use millgate_events::TraceParent;
use millgate_jobs::{Backoff, Claimed, ErrorCode, Verdict};
use tokio_util::task::AbortOnDropHandle;
use tower::Service;
use tracing::{Instrument, debug, info, info_span, warn};

use crate::{Ctx, Done, Handlers, JobError, State};

/// A job that this worker does not know is kept from all workers for so long; other workers take it then.
const FOREIGN_PAUSE: Duration = Duration::from_secs(1);

/// The service at the heart of each apalis worker.
#[derive(Clone)]
pub(crate) struct JobService {
    pub(crate) handlers: Arc<Handlers>,
    pub(crate) state: State,
    pub(crate) backoff: Backoff,
}

impl Service<Task<Claimed>> for JobService {
    type Response = Verdict;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Verdict, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, task: Task<Claimed>) -> Self::Future {
        let service = self.clone();
        let job = task.args;
        let origin = job.origin.as_ref();
        let trace = origin.and_then(|origin| TraceParent::parse(origin.traceparent.as_deref()?));
        let span = info_span!(
            "job",
            id = job.id,
            kind = &*job.kind,
            attempt = job.attempt,
            event = origin.map(|origin| origin.event_id.as_str()),
            trace = trace.map(|trace| trace.trace_id()),
        );
        Box::pin(async move { Ok(service.run(job).await) }.instrument(span))
    }
}

impl JobService {
    async fn run(self, job: Claimed) -> Verdict {
        let Some(known) = self.handlers.find(&job.kind, job.version) else {
            warn!(version = job.version, "this worker does not know such a job; handed back");
            return Verdict::HandBack { after: FOREIGN_PAUSE };
        };
        let ctx = Ctx::new(&job, self.state.clone());
        let backoff = known.backoff.unwrap_or(self.backoff);
        // A task of its own: a handler that blocks or panics holds up or ends nothing else, and is ended with us.
        let run = known.handler.run(job.payload.clone(), ctx).in_current_span();
        let task = AbortOnDropHandle::new(tokio::spawn(run));
        let outcome = tokio::select! {
            outcome = tokio::time::timeout(job.timeout, task) => outcome,
            () = job.lost.cancelled() => {
                if job.is_cancelled() {
                    info!("cancelled while it ran");
                    return Verdict::Cancel { reason: "cancelled while it ran".into() };
                }
                warn!("the lease is lost; another worker has the job, this run ends");
                return Verdict::HandBack { after: Duration::ZERO };
            }
        };
        match outcome {
            Ok(Ok(Ok(Done))) => {
                debug!("done");
                Verdict::Done
            }
            Ok(Ok(Err(error))) => judge(&job, backoff, error),
            Ok(Err(ended)) => {
                let message = match ended.try_into_panic() {
                    Ok(panic) => panic_message(panic.as_ref()),
                    Err(ended) => ended.to_string(),
                };
                judge(&job, backoff, JobError::of(ErrorCode::Panic, message))
            }
            Err(_) => {
                let message = format!("not done within {:?}", job.timeout);
                judge(&job, backoff, JobError::of(ErrorCode::Timeout, message))
            }
        }
    }
}

impl Handlers {
    /// Runs one job as a worker would: bounded in time, a panic caught. The verdict is for its queue.
    pub async fn run(self: Arc<Self>, job: Claimed, state: State, backoff: Backoff) -> Verdict {
        JobService { handlers: self, state, backoff }.run(job).await
    }
}

fn judge(job: &Claimed, backoff: Backoff, error: JobError) -> Verdict {
    match error {
        JobError::Retry { after, failure } if job.attempt >= job.max_attempts => {
            warn!(%failure, ?after, "failed at the last attempt; dead");
            Verdict::Dead { failure }
        }
        JobError::Retry { after, failure } => {
            let after = after.unwrap_or_else(|| backoff.pause(job.attempt, &mut rand::rng()));
            info!(%failure, ?after, "failed; will be tried again");
            Verdict::Retry { after, failure }
        }
        JobError::Snooze { after } => Verdict::Snooze { after },
        JobError::Cancel { reason } => {
            info!(reason, "cancelled");
            Verdict::Cancel { reason }
        }
        JobError::Dead { failure } => {
            warn!(%failure, "dead");
            Verdict::Dead { failure }
        }
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().map(str::to_owned);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
