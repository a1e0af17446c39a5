//! What the worker of a step is told to do.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::Event;

/// The data of a command, and where it and its replies go. Orchestrator and worker share the type, as they share those
/// of events.
///
/// ```
/// use millgate_events::StepCommand;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone, Serialize, Deserialize)]
/// struct ReserveSeats { booking_id: String, seats: Vec<String> }
///
/// #[derive(Clone, Serialize, Deserialize)]
/// struct SeatsReserved { until: String }
///
/// impl StepCommand for ReserveSeats {
///     type Reply = SeatsReserved;
///     const TOPIC: &'static str = "saga.booking.reserve-seats.command";
///     const DONE: &'static str = "saga.booking.seats-reserved.event";
///     const FAILED: &'static str = "saga.booking.seats-reservation-failed.event";
/// }
/// ```
pub trait StepCommand: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// The data of a reply that says it is done.
    type Reply: Serialize + DeserializeOwned + Send + Sync + 'static;
    /// The command's topic, without the prefix, and its type: `saga.{domain}.{step}.command`.
    const TOPIC: &'static str;
    /// Topic and type of the reply that says it is done: `saga.{domain}.{what-happened}.event`.
    const DONE: &'static str;
    /// The same of the reply that says it is not, and changed nothing.
    const FAILED: &'static str;
    /// The queue in which commands wait for a worker.
    const QUEUE: &'static str = "sagas";
    /// How often a worker tries before it says that it failed. The orchestrator has retries of its own after that.
    const ATTEMPTS: u32 = 3;
    /// Fields of the data that nobody is shown, by name or path.
    const SENSITIVE: &'static [&'static str] = &[];
}

/// A command to the worker of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SagaCommand<D = Value> {
    /// This message's id: another one at each retry.
    pub message_id: String,
    /// The saga's id.
    pub correlation_id: String,
    /// The same.
    pub saga_id: String,
    /// Its name: `booking`.
    pub saga_name: String,
    /// The step: `reserve-seats`; of a compensation, its own name: `release-seats`.
    pub step_name: String,
    /// The step's place in the saga, from 0.
    pub step_index: u32,
    /// `sagaID:step`: the same at each retry. What was done under it is done.
    pub idempotency_key: String,
    /// After this nobody waits for the reply.
    pub timeout_at: DateTime<Utc>,
    /// How often it was sent before.
    pub retry_count: u32,
    /// How often it will be sent again at most.
    pub max_retries: u32,
    /// Whether it takes back what a step has done. Such a command is done however late it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub compensates: bool,
    /// What the step needs to know.
    pub data: D,
}

impl<C: StepCommand> Event for SagaCommand<C> {
    const TYPE: &'static str = C::TOPIC;
    const SENSITIVE: &'static [&'static str] = C::SENSITIVE;

    fn key(&self) -> String {
        self.saga_id.clone()
    }
}
