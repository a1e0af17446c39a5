//! The table of all handlers.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use millgate_events::StepCommand;
use millgate_jobs::{Backoff, Job, JobKind};

use crate::{
    BatchHandler, Ctx, ErrorClass, Handler, HandlerService, JobError, JobLayer, Replied, State, StepCtx, StepJob,
    batch_handler::{ErasedBatch, Size, TypedBatch},
    error_class::ErrorClasses,
    step,
};

/// One kind's handler, with what it knows.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) version: u32,
    pub(crate) backoff: Option<Backoff>,
    pub(crate) handler: AnyHandler,
}

/// How a kind's jobs are done.
#[derive(Clone)]
pub(crate) enum AnyHandler {
    /// One by one.
    Single(HandlerService),
    /// Several at once.
    Batch(Size, Arc<dyn ErasedBatch>),
}

/// The table of all handlers.
#[derive(Clone, Default)]
pub struct Handlers {
    known: HashMap<&'static str, Known>,
    kinds: BTreeMap<&'static str, JobKind>,
    queues: Vec<&'static str>,
    layers: Vec<Arc<dyn JobLayer>>,
    /// Commands of sagas, each with the topic of the reply that says it failed.
    steps: HashMap<&'static str, &'static str>,
    pub(crate) classes: ErrorClasses,
}

impl Handlers {
    /// Adds the handler for jobs of kind `J`, which takes the job and a [`Ctx`](crate::Ctx).
    ///
    /// # Panics
    /// If that kind has one already: which of the two would be called would depend on their order.
    pub fn add<J: Job>(&mut self, handler: impl Handler<J>) {
        self.add_handler(handler);
    }

    /// The same for a handler that takes other arguments after the job, see [`FromCtx`](crate::FromCtx).
    ///
    /// # Panics
    /// If that kind has a handler already.
    pub fn add_handler<J: Job, A: 'static>(&mut self, handler: impl Handler<J, A>) {
        self.know::<J>(AnyHandler::Single(handler.into_service()));
    }

    /// Adds the handler of a saga's command `C`: an `async fn(C, StepCtx<C>) -> Result<Replied, JobError>`. What it comes to,
    /// well or not, is replied to the orchestrator.
    ///
    /// # Panics
    /// If that command has a handler already.
    pub fn add_step<C, F, Fut>(&mut self, handler: F)
    where
        C: StepCommand,
        F: Fn(C, StepCtx<C>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Replied, JobError>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        self.add(move |job: StepJob<C>, ctx: Ctx| {
            let handler = handler.clone();
            async move { step::run(&*handler, job, ctx).await }
        });
        self.steps.insert(C::TOPIC, C::FAILED);
    }

    /// Commands of sagas that have a handler, each with the topic of the reply that says it failed.
    pub fn steps(&self) -> &HashMap<&'static str, &'static str> {
        &self.steps
    }

    /// Puts a [`tower::Layer`] around every handler, those that are added later among them, and around the layers that were
    /// added before. Batch handlers have none.
    pub fn layer(&mut self, layer: impl JobLayer) {
        self.layers.push(Arc::new(layer));
    }

    /// Says what becomes of jobs that fail with this code, whatever their handler says.
    pub fn classify(&mut self, code: impl Into<String>, class: ErrorClass) {
        self.classes.set(code.into(), class);
    }

    /// Adds a handler that does up to `most` jobs of kind `J` at once: as soon as there are so many, or those there are
    /// `wait` after the first of them came. Jobs count one by one as far as the worker's concurrency is concerned, so
    /// that no batch is larger than that.
    ///
    /// # Panics
    /// If that kind has a handler already.
    pub fn add_batch<J: Job>(&mut self, most: usize, wait: Duration, handler: impl BatchHandler<J>) {
        let size = Size { most: most.max(1), wait };
        self.know::<J>(AnyHandler::Batch(size, Arc::new(TypedBatch::new(handler))));
    }

    fn know<J: Job>(&mut self, handler: AnyHandler) {
        let known = Known { version: J::VERSION, backoff: J::backoff(), handler };
        assert!(self.known.insert(J::KIND, known).is_none(), "job kind `{}` has two handlers", J::KIND);
        self.kinds.insert(J::KIND, JobKind::of::<J>());
        if !self.queues.contains(&J::QUEUE) {
            self.queues.push(J::QUEUE);
        }
    }

    /// Whether a kind has a handler.
    pub fn handles(&self, kind: &str) -> bool {
        self.known.contains_key(kind)
    }

    /// The kinds that have a handler, by name.
    pub fn kinds(&self) -> &BTreeMap<&'static str, JobKind> {
        &self.kinds
    }

    /// Every kind that has a handler, with the newest version of its arguments that the handler knows.
    pub fn versions(&self) -> impl Iterator<Item = (&'static str, u32)> {
        self.known.iter().map(|(kind, known)| (*kind, known.version))
    }

    /// Queues that some handler works on.
    pub fn queues(&self) -> &[&'static str] {
        &self.queues
    }

    /// What handlers of these queues need and the state lacks, with their kinds.
    pub(crate) fn missing(&self, queues: &[&str], state: &State) -> Vec<(&'static str, &'static str)> {
        let working = self.kinds.values().filter(|kind| queues.contains(&kind.queue()));
        let handlers = working.filter_map(|kind| self.known.get_key_value(kind.name()));
        let missing = handlers.flat_map(|(kind, known)| match &known.handler {
            AnyHandler::Single(service) => {
                service.handler.missing(state).into_iter().map(|name| (*kind, name)).collect()
            }
            AnyHandler::Batch(..) => Vec::new(),
        });
        missing.collect()
    }

    /// A handler within the layers that are around all of them.
    pub(crate) fn layered(&self, handler: &HandlerService) -> HandlerService {
        self.layers.iter().fold(handler.clone(), |inner, layer| layer.wrap(inner))
    }

    /// All handlers, by kind.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, &Known)> {
        self.known.iter().map(|(kind, known)| (*kind, known))
    }
}
