//! Handlers that do several jobs at once.

use std::{marker::PhantomData, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use millgate_jobs::Job;

use crate::{BatchCtx, Ctx, Done, JobError, handler::decode};

/// A function that does several jobs of kind `J` at once: `async fn(Vec<J>, BatchCtx) -> Vec<Result<Done, JobError>>`.
///
/// It answers for each job, in their order. An answer of another length says nothing of any job: all are tried again.
pub trait BatchHandler<J>: Send + Sync + 'static {
    /// Does them.
    fn call(&self, jobs: Vec<J>, ctx: BatchCtx) -> impl Future<Output = Vec<Result<Done, JobError>>> + Send;
}

impl<J, F, Fut> BatchHandler<J> for F
where
    J: Job,
    F: Fn(Vec<J>, BatchCtx) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Vec<Result<Done, JobError>>> + Send,
{
    fn call(&self, jobs: Vec<J>, ctx: BatchCtx) -> impl Future<Output = Vec<Result<Done, JobError>>> + Send {
        self(jobs, ctx)
    }
}

/// When a batch is complete.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// At so many jobs.
    pub(crate) most: usize,
    /// Or so long after its first one came.
    pub(crate) wait: Duration,
}

/// A batch handler whatever its kind of job.
pub(crate) trait ErasedBatch: Send + Sync {
    /// Answers for each of the jobs, in their order.
    fn run(self: Arc<Self>, jobs: Vec<(String, Ctx)>) -> BoxFuture<'static, Vec<Result<Done, JobError>>>;
}

pub(crate) struct TypedBatch<J, H> {
    handler: H,
    job: PhantomData<fn() -> J>,
}

impl<J, H> TypedBatch<J, H> {
    pub(crate) fn new(handler: H) -> Self {
        Self { handler, job: PhantomData }
    }
}

impl<J: Job, H: BatchHandler<J>> ErasedBatch for TypedBatch<J, H> {
    fn run(self: Arc<Self>, jobs: Vec<(String, Ctx)>) -> BoxFuture<'static, Vec<Result<Done, JobError>>> {
        Box::pin(async move {
            let mut answers = Vec::with_capacity(jobs.len());
            let (mut readable, mut runs, mut places) = (Vec::new(), Vec::new(), Vec::new());
            for (place, (payload, run)) in jobs.into_iter().enumerate() {
                answers.push(decode::<J>(&payload).map(|job| {
                    readable.push(job);
                    runs.push(run);
                    places.push(place);
                    Done
                }));
            }
            if readable.is_empty() {
                return answers;
            }
            let mut given = self.handler.call(readable, BatchCtx::new(runs)).await;
            if given.len() != places.len() {
                let text = format!("the handler of {} answered for {} of {} jobs", J::KIND, given.len(), places.len());
                given = vec![Err(JobError::retry(text)); places.len()];
            }
            for (place, answer) in places.into_iter().zip(given) {
                answers[place] = answer;
            }
            answers
        })
    }
}
