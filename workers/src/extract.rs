//! What a handler may take beside its job.

use std::any::type_name;

use millgate_jobs::{ErrorCode, Origin};
use tokio_util::sync::CancellationToken;

use crate::{Ctx, JobError, State};

/// What a handler may take as an argument after its job. Implement it for types of your own that can be made of a [`Ctx`].
#[diagnostic::on_unimplemented(
    message = "a handler cannot take `{Self}` after its job",
    label = "cannot be had from a run of a job",
    note = "it may take `Ctx`, `State<T>` (a `Clone` value given by `App::state`), `Origin`, `Option<Origin>`, \
            `Cancelled`, `Progress`, and types for which you implement `FromCtx`"
)]
pub trait FromCtx: Send + Sized {
    /// Takes it from a run. An error is the handler's answer.
    fn from_ctx(ctx: &Ctx) -> Result<Self, JobError>;

    /// The same for the last argument, after which nobody needs the context.
    fn from_last(ctx: Ctx) -> Result<Self, JobError> {
        Self::from_ctx(&ctx)
    }

    /// The name of what it needs and the state lacks. A worker looks when it starts, and does not start without it.
    fn missing(_: &State) -> Option<&'static str> {
        None
    }
}

impl FromCtx for Ctx {
    fn from_ctx(ctx: &Ctx) -> Result<Self, JobError> {
        Ok(ctx.clone())
    }

    fn from_last(ctx: Ctx) -> Result<Self, JobError> {
        Ok(ctx)
    }
}

/// A value that the App was given with `.state(…)`.
impl<T: Clone + Send + Sync + 'static> FromCtx for State<T> {
    fn from_ctx(ctx: &Ctx) -> Result<Self, JobError> {
        ctx.state::<T>().cloned().map(Self)
    }

    fn missing(state: &State) -> Option<&'static str> {
        (!state.has::<T>()).then(type_name::<T>)
    }
}

/// The event that the job goes back to; a job that goes back to none is dead.
impl FromCtx for Origin {
    fn from_ctx(ctx: &Ctx) -> Result<Self, JobError> {
        let none = "the handler takes the job's event, and this job goes back to none; take Option<Origin>";
        ctx.origin.as_deref().cloned().ok_or_else(|| JobError::dead(ErrorCode::InvalidRequest, none))
    }
}

/// The same, if there is one.
impl FromCtx for Option<Origin> {
    fn from_ctx(ctx: &Ctx) -> Result<Self, JobError> {
        Ok(ctx.origin.as_deref().cloned())
    }
}

/// Says that the run is no longer wanted: see [`Ctx::cancelled`].
#[derive(Debug, Clone)]
pub struct Cancelled(pub CancellationToken);

impl Cancelled {
    /// Whether it is no longer wanted.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Returns when it is no longer wanted.
    pub async fn cancelled(&self) {
        self.0.cancelled().await;
    }
}

impl FromCtx for Cancelled {
    fn from_ctx(ctx: &Ctx) -> Result<Self, JobError> {
        Ok(Self(ctx.cancelled.clone()))
    }
}

/// Tells whoever looks at the job how far it is.
#[derive(Clone)]
pub struct Progress(Ctx);

impl Progress {
    /// How much is done, 0 to 100 percent: see [`Ctx::progress`].
    pub async fn set(&self, percent: impl Into<f64>) {
        self.0.progress(percent).await;
    }

    /// A line for the job's own log: see [`Ctx::log`].
    pub async fn log(&self, line: impl AsRef<str>) {
        self.0.log(line).await;
    }
}

impl FromCtx for Progress {
    fn from_ctx(ctx: &Ctx) -> Result<Self, JobError> {
        Ok(Self(ctx.clone()))
    }

    fn from_last(ctx: Ctx) -> Result<Self, JobError> {
        Ok(Self(ctx))
    }
}
