//! What an orchestrator of sagas and the workers of their steps say to each other: commands, and events in reply.

mod command;
mod event;
mod lifecycle;

pub use command::{SagaCommand, StepCommand};
pub use event::SagaEvent;
pub use lifecycle::{Lifecycle, SagaLifecycle};

/// What makes a step's effects the same, however often it is told to do them: `sagaID:step`.
pub fn idempotency_key(saga_id: impl std::fmt::Display, step: &str) -> String {
    format!("{saga_id}:{step}")
}
