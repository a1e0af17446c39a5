//! What a batch handler knows beyond its jobs' arguments.

use crate::{Ctx, JobError, State};

/// One run of several jobs at once.
#[derive(Clone)]
pub struct BatchCtx {
    /// Each job's own context, in the order of the jobs. `runs[n].cancelled` fires when that job's lease is lost, when
    /// somebody stopped it, or when it took too long; the others go on.
    pub runs: Vec<Ctx>,
    state: State,
}

impl BatchCtx {
    pub(crate) fn new(runs: Vec<Ctx>) -> Self {
        // All runs of a worker share one state.
        let state = runs.first().map(|run| run.shared_state().clone()).unwrap_or_default();
        Self { runs, state }
    }

    /// A context for calling a handler in a test; the jobs' own come from [`Ctx::for_test`].
    pub fn for_test(runs: Vec<Ctx>, state: State) -> Self {
        Self { runs, state }
    }

    /// A value that the App was given with `.state(…)`.
    pub fn state<T: Send + Sync + 'static>(&self) -> Result<&T, JobError> {
        self.state.get()
    }
}
