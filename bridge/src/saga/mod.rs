//! Sagas: work of several services that is done as a whole, or taken back.
//!
//! A [`Saga`] is a list of steps, each a command to some worker, with what takes it back. What follows from a reply, or
//! from the lack of one, is decided by a pure function (`machine/`) from the [`Definition`] and the [`Instance`];
//! [`Sagas`] writes that down, with the commands that it leads to, in one transaction; the [`Orchestrator`] reads replies
//! and the clock. [`SagaStore`] is for people.

mod command;
mod config;
mod definition;
mod definitions;
mod error;
mod instance;
mod machine;
mod orchestrator;
mod poison;
mod sagas;
mod stats;
mod step;
mod store;
mod table;
mod timeline;

pub use config::SagaConfig;
pub use definition::{Definition, Parallel, Saga};
pub use definitions::Definitions;
pub use error::SagaError;
pub use instance::{Cause, Instance, SagaStatus, StepProgress, StepStatus};
pub use machine::{Input, Outgoing, Refused, Transition};
pub use orchestrator::{Orchestrator, OrchestratorError};
pub use sagas::{Applied, Sagas};
pub use stats::{SagaCounts, SagaStats};
pub use step::Step;
pub use store::{Census, SagaDetail, SagaFilter, SagaPage, SagaRow, SagaStore, StepView};
pub use timeline::{Happening, TimelineEntry};
