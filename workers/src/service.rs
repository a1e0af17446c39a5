//! The service at the heart of each apalis worker: it starts jobs and watches them.

use std::{
    collections::HashMap,
    convert::Infallible,
    mem::take,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use apalis_core::task::Task;
use futures::future::BoxFuture;
use millgate_events::{Run, Trail};
use millgate_jobs::{Backoff, Claimed, Handful, Queue, Verdict};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::AbortOnDropHandle,
};
use tower::Service;
use tracing::{Instrument, warn};

use crate::{
    Ctx, Handlers, State, Tally, WorkerConfig,
    error_class::ErrorClasses,
    gathering::Gathering,
    handler::Erased,
    handlers::AnyHandler,
    metrics::{Counted, Meter, metrics},
    noting,
    run::{Terms, watch, watch_in_batch},
    run_spans::RunSpans,
    runners::{self, Entry, Line},
};

/// A job that this worker does not know is kept from all workers for so long; other workers take it then.
const FOREIGN_PAUSE: Duration = Duration::from_secs(1);

/// Runs jobs of one queue: a handful comes in, and each of its jobs is judged. Cheap to clone.
#[derive(Clone)]
pub(crate) struct JobService {
    line: Arc<Line>,
    /// Of the last clone, ends what still runs.
    _end: Arc<DropGuard>,
}

struct Shared {
    kinds: HashMap<&'static str, Kind>,
    /// Of kinds, and versions of them, that are unknown here.
    unknown: OnceLock<Arc<Meter>>,
    name: String,
    /// Where runs are noted, if it is on.
    trail: Trail,
    state: State,
    grace: Duration,
    classes: ErrorClasses,
    /// Where notes go; `None`, in tests: nowhere.
    queue: Option<Arc<Queue>>,
    tally: Tally,
}

/// How jobs of a kind are done.
struct Kind {
    version: u32,
    backoff: Backoff,
    way: Way,
    /// There from the start for a kind whose queue this is; a job that was moved here comes first.
    meter: OnceLock<Arc<Meter>>,
}

enum Way {
    Single(Arc<dyn Erased>),
    Batch(Gathering),
}

impl Service<Task<Handful>> for JobService {
    type Response = ();
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<(), Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    /// Ends when all jobs of the handful have.
    fn call(&mut self, task: Task<Handful>) -> Self::Future {
        let over = CancellationToken::new();
        let handful = Arc::new(over.clone().drop_guard());
        let entry = |(job, judgement)| Entry { job, judgement: Counted::new(judgement), handful: handful.clone() };
        self.line.push(task.args.into_jobs().map(entry));
        Box::pin(async move {
            over.cancelled().await;
            Ok(())
        })
    }
}

impl JobService {
    /// Runs jobs of `queue` by these handlers.
    pub(crate) fn new(handlers: &Handlers, state: State, config: &WorkerConfig, queue: Queue, tally: Tally) -> Self {
        let terms = Terms {
            backoff: Backoff::exponential(config.backoff_base, config.backoff_max),
            grace: config.cancel_grace,
            classes: handlers.classes.configured(&config.retry_codes, &config.dead_codes),
        };
        let shared = Arc::new(Shared::new(handlers, state, terms, Some(Arc::new(queue)), tally));
        let line = Arc::new(Line::new());
        let ended = line.ended.clone();
        line.serve(move |entry, cx| shared.begin(entry, &ended, cx));
        Self { _end: Arc::new(line.ended.clone().drop_guard()), line }
    }
}

impl Shared {
    fn new(handlers: &Handlers, state: State, terms: Terms, queue: Option<Arc<Queue>>, tally: Tally) -> Self {
        let name = queue.as_deref().map_or("", Queue::name).to_owned();
        let kinds = handlers.iter().map(|(kind, known)| {
            let way = match &known.handler {
                AnyHandler::Single(handler) => Way::Single(handlers.layered(handler).handler),
                AnyHandler::Batch(size, handler) => Way::Batch(Gathering::new(kind, *size, handler.clone())),
            };
            let backoff = known.backoff.unwrap_or(terms.backoff);
            let is_at_home = handlers.kinds().get(kind).is_some_and(|known| known.queue() == name);
            let meter = if is_at_home { metrics().of(&name, kind, &tally).into() } else { OnceLock::new() };
            (kind, Kind { version: known.version, backoff, way, meter })
        });
        let kinds = kinds.collect();
        let Terms { grace, classes, .. } = terms;
        let trail = state.get::<Trail>().cloned().unwrap_or_default();
        Self { kinds, unknown: OnceLock::new(), trail, state, grace, classes, queue, name, tally }
    }

    /// Begins a job; if it is not done at once it goes on by itself.
    fn begin(&self, mut entry: Entry, ended: &CancellationToken, cx: &mut Context<'_>) {
        let spans = RunSpans::of(&mut entry.job);
        let kind = self.kinds.get(&*entry.job.kind).filter(|kind| entry.job.version <= kind.version);
        let (meter, label) = kind.map_or((&self.unknown, "unknown"), |kind| (&kind.meter, &*entry.job.kind));
        // What is not known here is not begun.
        let noted = kind.and_then(|_| self.trail.begin(|| noting::start(&entry.job)));
        let meter = meter.get_or_init(|| metrics().of(&self.name, label, &self.tally));
        entry.judgement.begin(meter, entry.job.waited(), noted.clone());
        if let Some(Kind { way: Way::Single(handler), backoff, .. }) = kind {
            let terms = self.terms(*backoff);
            let payload = take(&mut entry.job.payload);
            let ctx = Ctx::new(&mut entry.job, self.queue.clone(), noted, self.state.clone());
            return runners::begin(handler.clone().run(payload, ctx), entry, terms, (spans, ended), cx);
        }
        let Entry { job, judgement, handful } = entry;
        let run = spans.in_scope(|| self.run(job, noted));
        let ended = ended.clone();
        let watched = async move {
            if let Some(verdict) = ended.run_until_cancelled(run).await {
                judgement.give(verdict);
            }
            drop(handful);
        };
        tokio::spawn(spans.around(watched));
    }

    fn terms(&self, backoff: Backoff) -> Terms {
        Terms { backoff, grace: self.grace, classes: self.classes.clone() }
    }

    /// Starts a job, and gives what watches it; what its handler notes goes to `noted`, too.
    fn run(&self, mut job: Claimed, noted: Option<Run>) -> BoxFuture<'static, Verdict> {
        let Some(kind) = self.kinds.get(&*job.kind).filter(|kind| job.version <= kind.version) else {
            warn!(version = job.version, "this worker does not know such a job; handed back");
            return Box::pin(std::future::ready(Verdict::HandBack { after: FOREIGN_PAUSE }));
        };
        let terms = self.terms(kind.backoff);
        let payload = take(&mut job.payload);
        let ctx = Ctx::new(&mut job, self.queue.clone(), noted, self.state.clone());
        match &kind.way {
            Way::Single(handler) => {
                let run = handler.clone().run(payload, ctx).in_current_span();
                let task = AbortOnDropHandle::new(tokio::spawn(run));
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
        let terms = Terms { backoff, grace: Duration::ZERO, classes: self.classes.clone() };
        Shared::new(&self, state, terms, None, Tally::default()).run(job, None).await
    }
}
