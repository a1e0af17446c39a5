//! The table of all handlers.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use millgate_jobs::{Backoff, Job, JobKind};

use crate::{
    BatchHandler, Handler,
    batch_handler::{ErasedBatch, Size, TypedBatch},
    handler::{Erased, Typed},
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
    Single(Arc<dyn Erased>),
    /// Several at once.
    Batch(Size, Arc<dyn ErasedBatch>),
}

/// The table of all handlers.
#[derive(Clone, Default)]
pub struct Handlers {
    known: HashMap<&'static str, Known>,
    kinds: BTreeMap<&'static str, JobKind>,
    queues: Vec<&'static str>,
}

impl Handlers {
    /// Adds the handler for jobs of kind `J`.
    ///
    /// # Panics
    /// If that kind has one already: which of the two would be called would depend on their order.
    pub fn add<J: Job>(&mut self, handler: impl Handler<J>) {
        self.know::<J>(AnyHandler::Single(Arc::new(Typed::new(handler))));
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

    /// Queues that some handler works on.
    pub fn queues(&self) -> &[&'static str] {
        &self.queues
    }

    /// All handlers, by kind.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, &Known)> {
        self.known.iter().map(|(kind, known)| (*kind, known))
    }
}
