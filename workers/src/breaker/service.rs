//! A breaker as a layer around handlers.

use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tower::{Layer, Service};

use super::Breaker;
use crate::{Done, IntoJobError, JobCall, JobError};

impl<S> Layer<S> for Breaker {
    type Service = BreakerService<S>;

    fn layer(&self, inner: S) -> BreakerService<S> {
        BreakerService { breaker: self.clone(), inner }
    }
}

/// A handler behind a [`Breaker`].
#[derive(Clone)]
pub struct BreakerService<S> {
    breaker: Breaker,
    inner: S,
}

impl<S> Service<JobCall> for BreakerService<S>
where
    S: Service<JobCall, Response = Done>,
    S::Error: IntoJobError + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Done;
    type Error = JobError;
    type Future = BoxFuture<'static, Result<Done, JobError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), JobError>> {
        self.inner.poll_ready(cx).map_err(IntoJobError::into_job_error)
    }

    fn call(&mut self, call: JobCall) -> Self::Future {
        let mut pass = match self.breaker.admit() {
            Ok(pass) => pass,
            Err(wait) => return Box::pin(std::future::ready(Err(JobError::snooze(wait)))),
        };
        pass.cancelled = Some(call.ctx.cancelled.clone());
        let run = self.inner.call(call);
        Box::pin(pass.watch(run))
    }
}
