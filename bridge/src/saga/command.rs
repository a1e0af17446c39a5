//! A command as a definition knows it, whatever its type.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use millgate_events::StepCommand;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// Makes a command's data of the saga's state.
type Make = Arc<dyn Fn(&Value) -> Result<Value, String> + Send + Sync>;

/// One of a step's two commands: the one that does it, or the one that takes it back.
#[derive(Clone)]
pub(super) struct CommandDefinition {
    pub(super) name: &'static str,
    pub(super) topic: &'static str,
    pub(super) done: &'static str,
    pub(super) failed: &'static str,
    pub(super) timeout: Duration,
    pub(super) retries: u32,
    /// Of the first pause before a retry; it doubles.
    pub(super) backoff: Duration,
    pub(super) make: Make,
}

/// No pause is longer.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

impl CommandDefinition {
    pub(super) fn of<S, C>(name: &'static str, data: impl Fn(&S) -> C + Send + Sync + 'static, retries: u32) -> Self
    where
        S: DeserializeOwned,
        C: StepCommand,
    {
        Self {
            name,
            topic: C::TOPIC,
            done: C::DONE,
            failed: C::FAILED,
            timeout: Duration::from_secs(30),
            retries,
            backoff: Duration::from_secs(1),
            make: Arc::new(move |state| guarded(|| written(&data(&read::<S>(state)?)))),
        }
    }

    /// Its data, as the state is now.
    pub(super) fn data(&self, state: &Value) -> Result<Value, String> {
        (self.make)(state)
    }

    /// How long to wait after so many tries.
    pub(super) fn pause(&self, tries: u32) -> Duration {
        self.backoff.saturating_mul(2_u32.saturating_pow(tries.saturating_sub(1).min(16))).min(LONGEST_PAUSE)
    }
}

/// The typed state.
pub(super) fn read<S: DeserializeOwned>(state: &Value) -> Result<S, String> {
    S::deserialize(state).map_err(|error| format!("the saga's state has another shape than its definition: {error}"))
}

pub(super) fn written(data: &impl Serialize) -> Result<Value, String> {
    serde_json::to_value(data).map_err(|error| format!("it cannot be written as JSON: {error}"))
}

/// Runs what a user wrote: a panic of theirs is theirs.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(format!("it panicked: {}", text_of(panic.as_ref()))))
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().map(str::to_owned);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
