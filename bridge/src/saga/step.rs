//! Steps of a saga.

use std::{marker::PhantomData, sync::Arc, time::Duration};

use millgate_events::StepCommand;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::command::{CommandDefinition, guarded, read, written};

/// Puts what a reply says into the saga's state.
type Fold = Arc<dyn Fn(&Value, &Value) -> Result<Value, String> + Send + Sync>;

/// Once, and three retries.
const RETRIES: u32 = 3;
/// What takes back has to succeed in the end.
const COMPENSATION_RETRIES: u32 = 10;

/// A step of a saga whose state is an `S`: a command `C`, and what takes back what it did.
pub struct Step<S, C> {
    definition: StepDefinition,
    compensation_retries: u32,
    types: PhantomData<fn(S) -> C>,
}

/// The same, whatever its types.
#[derive(Clone)]
pub(super) struct StepDefinition {
    pub(super) stage: usize,
    pub(super) command: CommandDefinition,
    pub(super) fold: Option<Fold>,
    pub(super) compensation: Option<CommandDefinition>,
    /// Taking it back gives somebody their money back.
    pub(super) refunds: bool,
}

impl<S, C> Step<S, C>
where
    S: Serialize + DeserializeOwned + 'static,
    C: StepCommand,
{
    /// A step of that name, whose command's data is made of the saga's state: `Step::command("reserve-seats", |b: &Booking|
    /// ReserveSeats { … })`.
    pub fn command(name: &'static str, data: impl Fn(&S) -> C + Send + Sync + 'static) -> Self {
        let command = CommandDefinition::of(name, data, RETRIES);
        let definition = StepDefinition { stage: 0, command, fold: None, compensation: None, refunds: false };
        Self { definition, compensation_retries: COMPENSATION_RETRIES, types: PhantomData }
    }

    /// How long a reply may take, of the step or of what takes it back, before that is tried again or given up; 30 s if
    /// nothing is said.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.definition.command.timeout = timeout;
        self
    }

    /// How often it is tried again after a failure that another try may mend, or a timeout; 3 if nothing is said. Always
    /// under the same idempotency key.
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.definition.command.retries = retries;
        self
    }

    /// The pause before the first retry, of the step and of what takes it back; it doubles up to a minute. 1 s if nothing is
    /// said.
    #[must_use]
    pub fn backoff(mut self, first: Duration) -> Self {
        self.definition.command.backoff = first;
        self
    }

    /// What the saga keeps of the reply.
    #[must_use]
    pub fn replied(mut self, keep: impl Fn(&mut S, C::Reply) + Send + Sync + 'static) -> Self {
        self.definition.fold = Some(Arc::new(move |state, data| {
            guarded(|| {
                let reply = <C::Reply as serde::Deserialize>::deserialize(data);
                let reply = reply.map_err(|error| format!("the reply has another shape than expected: {error}"))?;
                let mut state = read::<S>(state)?;
                keep(&mut state, reply);
                written(&state)
            })
        }));
        self
    }

    /// What takes it back, as a command of its own name: sent if the step is done and the saga cannot be. It is tried ten
    /// times again, and then waits for people.
    #[must_use]
    pub fn compensate<D: StepCommand>(
        mut self,
        name: &'static str,
        data: impl Fn(&S) -> D + Send + Sync + 'static,
    ) -> Self {
        self.definition.compensation = Some(CommandDefinition::of(name, data, COMPENSATION_RETRIES));
        self
    }

    /// How often what takes it back is tried again, before it waits for people.
    #[must_use]
    pub fn compensation_retries(mut self, retries: u32) -> Self {
        self.compensation_retries = retries;
        self
    }

    /// To take it back gives money back: when that is done, the saga tells `refunded`.
    #[must_use]
    pub fn refunds(mut self) -> Self {
        self.definition.refunds = true;
        self
    }
}

impl<S, C> Step<S, C> {
    /// What was said of it holds for what takes it back too, in whatever order it was said.
    pub(super) fn built(self) -> StepDefinition {
        let Self { definition, compensation_retries: retries, .. } = self;
        let (timeout, backoff) = (definition.command.timeout, definition.command.backoff);
        let compensation = definition.compensation;
        let compensation = compensation.map(|command| CommandDefinition { timeout, retries, backoff, ..command });
        StepDefinition { compensation, ..definition }
    }
}
