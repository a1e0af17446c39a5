//! The service at the heart of each apalis worker: it starts jobs and watches them.

use std::{
    collections::HashMap,
    convert::Infallible,
    mem::take,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use apalis_core::task::Task;
use futures::future::BoxFuture;
use millgate_events::TraceParent;
use millgate_jobs::{Backoff, Claimed, Queue, Verdict};
use tokio_util::task::AbortOnDropHandle;
use tower::Service;
use tracing::{Instrument, Span, field::Empty, info_span, warn};

use crate::{
    Ctx, Handlers, State, WorkerConfig,
    gathering::Gathering,
    handler::Erased,
    handlers::AnyHandler,
    run::{Terms, watch, watch_in_batch},
};

/// A job that this worker does not know is kept from all workers for so long; other workers take it then.
const FOREIGN_PAUSE: Duration = Duration::from_secs(1);

/// Runs jobs of one queue: a job comes in, a verdict on it out. Cheap to clone; clones share batches.
#[derive(Clone)]
pub struct JobService(Arc<Shared>);

struct Shared {
    kinds: HashMap<&'static str, Kind>,
    state: State,
    grace: Duration,
    /// Where notes go; `None`, in tests: nowhere.
    queue: Option<Arc<Queue>>,
}

/// How jobs of a kind are done.
struct Kind {
    version: u32,
    backoff: Backoff,
    way: Way,
}

enum Way {
    Single(Arc<dyn Erased>),
    Batch(Gathering),
}

impl Service<Task<Claimed>> for JobService {
    type Response = Verdict;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Verdict, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, task: Task<Claimed>) -> Self::Future {
        let job = task.args;
        let span = span(&job);
        if span.is_disabled() {
            return self.0.run(job, span);
        }
        let entered = span.clone().entered();
        let run = self.0.run(job, span);
        Box::pin(run.instrument(entered.exit()))
    }
}

impl JobService {
    /// Runs jobs of `queue` by these handlers.
    pub fn new(handlers: &Handlers, state: State, config: &WorkerConfig, queue: Queue) -> Self {
        let terms = Terms {
            backoff: Backoff::exponential(config.backoff_base, config.backoff_max),
            grace: config.cancel_grace,
        };
        Self::on(handlers, state, terms, Some(Arc::new(queue)))
    }

    fn on(handlers: &Handlers, state: State, terms: Terms, queue: Option<Arc<Queue>>) -> Self {
        let kinds = handlers.iter().map(|(kind, known)| {
            let way = match &known.handler {
                AnyHandler::Single(handler) => Way::Single(handler.clone()),
                AnyHandler::Batch(size, handler) => Way::Batch(Gathering::new(kind, *size, handler.clone())),
            };
            (kind, Kind { version: known.version, backoff: known.backoff.unwrap_or(terms.backoff), way })
        });
        Self(Arc::new(Shared { kinds: kinds.collect(), state, grace: terms.grace, queue }))
    }
}

impl Shared {
    /// Starts a job, and gives what watches it.
    fn run(&self, mut job: Claimed, span: Span) -> BoxFuture<'static, Result<Verdict, Infallible>> {
        let Some(kind) = self.kinds.get(&*job.kind).filter(|kind| job.version <= kind.version) else {
            warn!(version = job.version, "this worker does not know such a job; handed back");
            return Box::pin(std::future::ready(Ok(Verdict::HandBack { after: FOREIGN_PAUSE })));
        };
        let terms = Terms { backoff: kind.backoff, grace: self.grace };
        let payload = take(&mut job.payload);
        let ctx = Ctx::new(&mut job, self.queue.clone(), self.state.clone());
        match &kind.way {
            Way::Single(handler) => {
                let task = AbortOnDropHandle::new(handler.clone().start(payload, ctx, span));
                Box::pin(watch(job, terms, task))
            }
            Way::Batch(gathering) => {
                let place = gathering.join(payload, ctx);
                Box::pin(watch_in_batch(job, terms, place))
            }
        }
    }
}

impl Handlers {
    /// Runs one job as a worker would: bounded in time, a panic caught. The verdict is for its queue.
    pub async fn run(self: Arc<Self>, job: Claimed, state: State, backoff: Backoff) -> Verdict {
        let terms = Terms { backoff, grace: Duration::ZERO };
        let Ok(verdict) = JobService::on(&self, state, terms, None).0.run(job, Span::current()).await;
        verdict
    }
}

/// What log lines of a job say of it. Where nobody listens this costs nothing.
fn span(job: &Claimed) -> Span {
    let span = info_span!(
        "job",
        id = job.id,
        kind = &*job.kind,
        attempt = job.attempt,
        event = job.origin.as_ref().map(|origin| origin.event_id.as_str()),
        trace = Empty,
    );
    if !span.is_disabled()
        && let Some(origin) = &job.origin
        && let Some(trace) = origin.traceparent.as_deref().and_then(TraceParent::parse)
    {
        span.record("trace", trace.trace_id());
    }
    span
}
