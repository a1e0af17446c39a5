//! Handlers: the functions that do the work.

use std::{marker::PhantomData, sync::Arc};

use futures::future::BoxFuture;
use millgate_jobs::{ErrorCode, Failure, Job};

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
    /// What does a job. Nothing of the handler runs before it is polled.
    fn run(self: Arc<Self>, payload: String, ctx: Ctx) -> BoxFuture<'static, Result<Done, JobError>>;
}

pub(crate) struct Typed<J, H> {
    handler: H,
    job: PhantomData<fn() -> J>,
}

impl<J, H> Typed<J, H> {
    pub(crate) fn new(handler: H) -> Self {
        Self { handler, job: PhantomData }
    }
}

impl<J: Job, H: Handler<J>> Erased for Typed<J, H> {
    fn run(self: Arc<Self>, payload: String, ctx: Ctx) -> BoxFuture<'static, Result<Done, JobError>> {
        Box::pin(async move {
            let job = decode(&payload)?;
            // A handler may take its time; the text is of no more use.
            drop(payload);
            self.handler.call(job, ctx).await
        })
    }
}

/// Reads a job's arguments; what cannot be read now never can.
pub(crate) fn decode<J: Job>(payload: &str) -> Result<J, JobError> {
    serde_json::from_str(payload).map_err(|error| JobError::Dead {
        failure: Failure::new(ErrorCode::Undecodable, format!("the arguments of {} cannot be read: {error}", J::KIND)),
    })
}
