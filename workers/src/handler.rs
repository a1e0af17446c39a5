//! Handlers: the functions that do the work.

use std::{marker::PhantomData, sync::Arc};

use futures::future::BoxFuture;
use millgate_jobs::{ErrorCode, Failure, Job};

use crate::{Ctx, Done, FromCtx, HandlerService, JobError, Layered, State};

/// A function that does jobs of kind `J`: `async fn(J, Ctx) -> Result<Done, JobError>`, or with up to six other arguments
/// that implement [`FromCtx`] after the job. `A` is these arguments.
///
/// ```compile_fail,E0277
/// # extern crate millgate_jobs as millgate;
/// # use millgate_workers::{Done, Handlers, JobError};
/// # #[derive(serde::Serialize, serde::Deserialize, millgate_derive::Job)]
/// # #[job(queue = "invoices")]
/// # struct SendInvoice;
/// // A String can be had from nowhere.
/// async fn send_invoice(_: SendInvoice, _: String) -> Result<Done, JobError> { Ok(Done) }
/// Handlers::default().add_handler::<SendInvoice, _>(send_invoice);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no handler of jobs",
    label = "not a handler",
    note = "a handler is an `async fn(job, …) -> Result<Done, JobError>` whose future is `Send`; after the job it takes up to \
            six of `Ctx`, `State<T>` with a `T` that is `Clone`, `Origin`, `Option<Origin>`, `Cancelled`, `Progress`, and types \
            that implement `FromCtx`"
)]
pub trait Handler<J, A = (Ctx,)>: Send + Sync + 'static {
    /// Does one.
    fn call(&self, job: J, ctx: Ctx) -> impl Future<Output = Result<Done, JobError>> + Send;

    /// What it needs and the state lacks.
    fn missing(&self, _: &State) -> Vec<&'static str> {
        Vec::new()
    }

    /// Puts a [`tower::Layer`] around it: `.worker(send_invoice.layer(breaker))`. Of several the one added last is
    /// outermost.
    fn layer<L>(self, layer: L) -> Layered<Self, L>
    where
        Self: Sized,
    {
        Layered::new(self, layer)
    }

    /// As a tower service.
    fn into_service(self) -> HandlerService
    where
        Self: Sized,
        J: Job,
        A: 'static,
    {
        HandlerService::new(J::KIND, Arc::new(Typed::new(self)))
    }
}

macro_rules! functions {
    ($(($($first:ident)*) $last:ident),* $(,)?) => {$(
        impl<J, F, Fut, $($first,)* $last> Handler<J, ($($first,)* $last,)> for F
        where
            J: Job,
            F: Fn(J, $($first,)* $last) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = Result<Done, JobError>> + Send,
            $($first: FromCtx,)*
            $last: FromCtx,
        {
            async fn call(&self, job: J, ctx: Ctx) -> Result<Done, JobError> {
                self(job, $($first::from_ctx(&ctx)?,)* $last::from_last(ctx)?).await
            }

            fn missing(&self, state: &State) -> Vec<&'static str> {
                [$($first::missing(state),)* $last::missing(state)].into_iter().flatten().collect()
            }
        }
    )*};
}

functions!(() A, (A) B, (A B) C, (A B C) D, (A B C D) E, (A B C D E) G);

/// Without anything but the job.
impl<J, F, Fut> Handler<J, ()> for F
where
    J: Job,
    F: Fn(J) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Done, JobError>> + Send,
{
    fn call(&self, job: J, _: Ctx) -> impl Future<Output = Result<Done, JobError>> + Send {
        self(job)
    }
}

/// A handler whatever its kind of job.
pub(crate) trait Erased: Send + Sync {
    /// What does a job. Nothing of the handler runs before it is polled.
    fn run(self: Arc<Self>, payload: String, ctx: Ctx) -> BoxFuture<'static, Result<Done, JobError>>;

    /// What it needs and the state lacks.
    fn missing(&self, state: &State) -> Vec<&'static str>;
}

pub(crate) struct Typed<J, A, H> {
    handler: H,
    takes: PhantomData<fn() -> (J, A)>,
}

impl<J, A, H> Typed<J, A, H> {
    pub(crate) fn new(handler: H) -> Self {
        Self { handler, takes: PhantomData }
    }
}

impl<J: Job, A: 'static, H: Handler<J, A>> Erased for Typed<J, A, H> {
    fn run(self: Arc<Self>, payload: String, ctx: Ctx) -> BoxFuture<'static, Result<Done, JobError>> {
        Box::pin(async move {
            let job = decode(&payload)?;
            // A handler may take its time; the text is of no more use.
            drop(payload);
            self.handler.call(job, ctx).await
        })
    }

    fn missing(&self, state: &State) -> Vec<&'static str> {
        self.handler.missing(state)
    }
}

/// Reads a job's arguments; what cannot be read now never can.
pub(crate) fn decode<J: Job>(payload: &str) -> Result<J, JobError> {
    serde_json::from_str(payload).map_err(|error| JobError::Dead {
        failure: Failure::new(ErrorCode::Undecodable, format!("the arguments of {} cannot be read: {error}", J::KIND)),
    })
}
