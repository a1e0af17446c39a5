//! Layers around handlers: tower's, so that anybody's fit.

use std::{
    error::Error,
    fmt,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};

use futures::future::BoxFuture;
use millgate_jobs::{ErrorCode, Job};
use tower::{Layer, Service};

use crate::{Ctx, Done, Handler, JobError, State, handler::Erased};

/// Any error.
type BoxError = Box<dyn Error + Send + Sync>;

/// One run of one job, as layers see it.
pub struct JobCall {
    kind: &'static str,
    payload: String,
    /// What the handler will know of the run.
    pub ctx: Ctx,
}

impl JobCall {
    /// The job's kind.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Its arguments as JSON.
    pub fn payload(&self) -> &str {
        &self.payload
    }
}

/// A handler as a tower service, with the layers that are around it. Cheap to clone, and always ready.
#[derive(Clone)]
pub struct HandlerService {
    kind: &'static str,
    pub(crate) handler: Arc<dyn Erased>,
}

impl HandlerService {
    pub(crate) fn new(kind: &'static str, handler: Arc<dyn Erased>) -> Self {
        Self { kind, handler }
    }
}

impl Service<JobCall> for HandlerService {
    type Response = Done;
    type Error = JobError;
    type Future = BoxFuture<'static, Result<Done, JobError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), JobError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: JobCall) -> Self::Future {
        self.handler.clone().run(call.payload, call.ctx)
    }
}

/// A [`tower::Layer`] that fits around handlers: its service takes a [`JobCall`], gives [`Done`], can be cloned, and fails with
/// a [`JobError`] or a boxed error. A clone of the service is made for each run.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not fit around a handler",
    note = "a layer for handlers is a `tower::Layer<HandlerService>` whose service is a \
            `tower::Service<JobCall, Response = Done>` that is `Clone + Send + Sync + 'static`, with a future that is `Send` and \
            an error that is a `JobError` or a `Box<dyn Error + Send + Sync>`"
)]
pub trait JobLayer: Send + Sync + 'static {
    /// Puts it around a handler.
    fn wrap(&self, inner: HandlerService) -> HandlerService;
}

impl<L> JobLayer for L
where
    L: Layer<HandlerService> + Send + Sync + 'static,
    L::Service: Service<JobCall, Response = Done> + Clone + Send + Sync + 'static,
    <L::Service as Service<JobCall>>::Error: IntoJobError,
    <L::Service as Service<JobCall>>::Future: Send,
{
    fn wrap(&self, inner: HandlerService) -> HandlerService {
        let kind = inner.kind;
        let within = inner.handler.clone();
        HandlerService::new(kind, Arc::new(Wrapped { kind, service: self.layer(inner), within }))
    }
}

struct Wrapped<S> {
    kind: &'static str,
    service: S,
    within: Arc<dyn Erased>,
}

impl<S> Erased for Wrapped<S>
where
    S: Service<JobCall, Response = Done> + Clone + Send + Sync + 'static,
    S::Error: IntoJobError,
    S::Future: Send,
{
    fn run(self: Arc<Self>, payload: String, ctx: Ctx) -> BoxFuture<'static, Result<Done, JobError>> {
        Box::pin(async move {
            let mut service = self.service.clone();
            poll_fn(|cx| service.poll_ready(cx)).await.map_err(IntoJobError::into_job_error)?;
            let call = JobCall { kind: self.kind, payload, ctx };
            service.call(call).await.map_err(IntoJobError::into_job_error)
        })
    }

    fn missing(&self, state: &State) -> Vec<&'static str> {
        self.within.missing(state)
    }
}

/// A handler with a layer around it, from [`Handler::layer`].
#[derive(Clone)]
pub struct Layered<H, L> {
    handler: H,
    layer: L,
}

impl<H, L> Layered<H, L> {
    pub(crate) fn new(handler: H, layer: L) -> Self {
        Self { handler, layer }
    }
}

impl<J, A, H, L> Handler<J, A> for Layered<H, L>
where
    J: Job,
    A: 'static,
    H: Handler<J, A> + Clone,
    L: JobLayer,
{
    /// By way of the job's JSON, since that is what layers see.
    async fn call(&self, job: J, ctx: Ctx) -> Result<Done, JobError> {
        let payload = serde_json::to_string(&job).map_err(|error| JobError::of(ErrorCode::Undecodable, error))?;
        let service = self.layer.wrap(self.handler.clone().into_service());
        service.handler.run(payload, ctx).await
    }

    fn missing(&self, state: &State) -> Vec<&'static str> {
        self.handler.missing(state)
    }

    fn into_service(self) -> HandlerService {
        self.layer.wrap(self.handler.into_service())
    }
}

/// Errors of layers.
pub trait IntoJobError {
    /// What is to become of the job.
    fn into_job_error(self) -> JobError;
}

impl IntoJobError for JobError {
    fn into_job_error(self) -> JobError {
        self
    }
}

/// As tower's own layers have it. A [`JobError`] that went into the box comes out of it as it was.
impl IntoJobError for BoxError {
    fn into_job_error(self) -> JobError {
        JobError::of_error(&*self)
    }
}

/// A verdict on its way through layers that know nothing but errors.
#[derive(Debug)]
pub(crate) struct Carried(pub(crate) JobError);

impl fmt::Display for Carried {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", self.0)
    }
}

impl Error for Carried {}

impl From<JobError> for BoxError {
    fn from(error: JobError) -> Self {
        Box::new(Carried(error))
    }
}
