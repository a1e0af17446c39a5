//! What goes into the machine, and what comes out of it.

use millgate_events::{Lifecycle, SagaCommand, SagaEvent};
use serde_json::Value;

use crate::saga::TimelineEntry;

/// Something that happens to a saga.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A worker replied.
    Reply(SagaEvent),
    /// A timer is due.
    Timer,
    /// Somebody wants a running saga taken back.
    Cancel {
        /// Why.
        reason: String,
    },
    /// Somebody wants a saga taken back that runs, or is completed.
    Compensate {
        /// Why.
        reason: String,
    },
    /// Somebody wants what waits, or is stuck, tried again now.
    Retry,
    /// Somebody has taken back by hand what is stuck.
    Resolve {
        /// The step, or its compensation; nothing: all that are stuck.
        step: Option<String>,
        /// What they did.
        reason: String,
    },
}

/// Why an operator's word cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// What a change leads to. All of it is written in one transaction with the saga itself.
#[derive(Debug, Default, PartialEq)]
pub struct Transition {
    /// Commands, each with its topic.
    pub commands: Vec<(&'static str, SagaCommand)>,
    /// What the saga tells, with the step that it is about.
    pub told: Vec<(Lifecycle, Option<String>)>,
    /// The event that it ends in.
    pub outcome: Option<Outgoing>,
    /// What is added to its timeline.
    pub lines: Vec<TimelineEntry>,
    /// It has come to wait for people.
    pub stuck: bool,
    /// A reply said nothing new, or came late.
    pub ignored: bool,
}

/// An event of the application.
#[derive(Debug, PartialEq)]
pub struct Outgoing {
    /// Its topic.
    pub topic: &'static str,
    /// Its type.
    pub event_type: &'static str,
    /// The version of its shape.
    pub version: u32,
    /// What it is about.
    pub key: String,
    /// Its payload.
    pub data: Value,
}
