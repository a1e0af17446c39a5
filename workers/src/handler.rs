//! Handlers: the functions that do the work.

use std::{collections::HashMap, marker::PhantomData, sync::Arc};

use futures::future::BoxFuture;
use millgate_jobs::{Backoff, Failure, Job};

use crate::{Ctx, Done, JobError};

/// A function that does jobs of kind `J`: `async fn(J, Ctx) -> Result<Done, JobError>`.
pub trait Handler<J>: Send + Sync + 'static {
    /// Does one.
    fn call(&self, job: J, ctx: Ctx) -> impl Future<Output = Result<Done, JobError>> + Send;
}

impl<J, F, Fut> Handler<J> for F
where
    J: Job,
    F: Fn(J, Ctx) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Done, JobError>> + Send,
{
    fn call(&self, job: J, ctx: Ctx) -> impl Future<Output = Result<Done, JobError>> + Send {
        self(job, ctx)
    }
}

/// A handler whatever its kind of job.
pub(crate) trait Erased: Send + Sync {
    fn run(self: Arc<Self>, payload: String, ctx: Ctx) -> BoxFuture<'static, Result<Done, JobError>>;
}

struct Typed<J, H> {
    handler: H,
    job: PhantomData<fn() -> J>,
}

impl<J: Job, H: Handler<J>> Erased for Typed<J, H> {
    fn run(self: Arc<Self>, payload: String, ctx: Ctx) -> BoxFuture<'static, Result<Done, JobError>> {
        Box::pin(async move {
            let job = serde_json::from_str(&payload).map_err(|error| JobError::Dead {
                failure: Failure::new(
                    millgate_jobs::ErrorCode::Undecodable,
                    format!("the arguments of {} cannot be read: {error}", J::KIND),
                ),
            })?;
            self.handler.call(job, ctx).await
        })
    }
}

/// One kind's handler, with what it knows.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) version: u32,
    pub(crate) backoff: Option<Backoff>,
    pub(crate) handler: Arc<dyn Erased>,
}

/// The table of all handlers.
#[derive(Clone, Default)]
pub struct Handlers {
    known: HashMap<&'static str, Known>,
    queues: Vec<&'static str>,
}

impl Handlers {
    /// Adds the handler for jobs of kind `J`.
    ///
    /// # Panics
    /// If that kind has one already: which of the two would be called would depend on their order.
    pub fn add<J: Job>(&mut self, handler: impl Handler<J>) {
        let known = Known {
            version: J::VERSION,
            backoff: J::backoff(),
            handler: Arc::new(Typed { handler, job: PhantomData }),
        };
        assert!(self.known.insert(J::KIND, known).is_none(), "job kind `{}` has two handlers", J::KIND);
        if !self.queues.contains(&J::QUEUE) {
            self.queues.push(J::QUEUE);
        }
    }

    /// Whether a kind has a handler.
    pub fn handles(&self, kind: &str) -> bool {
        self.known.contains_key(kind)
    }

    /// Queues that some handler works on.
    pub fn queues(&self) -> &[&'static str] {
        &self.queues
    }

    /// The handler for a kind, if it knows jobs of that version.
    pub(crate) fn find(&self, kind: &str, version: u32) -> Option<Known> {
        self.known.get(kind).filter(|known| version <= known.version).cloned()
    }
}
