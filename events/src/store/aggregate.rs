//! Things that are what happened to them.

use serde::{Serialize, de::DeserializeOwned};

use super::EventSet;

/// A thing whose state follows from its events. It decides by its state what a command comes to; both are plain functions.
pub trait Aggregate: Default + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What kind of thing it is, without `-`. Its streams are called `CATEGORY-id`.
    const CATEGORY: &'static str;
    /// When its state is kept, so that not every event has to be read again.
    const SNAPSHOTS: Snapshots = Snapshots::every(100);
    /// What may happen to it.
    type Event: EventSet;
    /// What may be asked of it.
    type Command: Sync;
    /// Why it may refuse.
    type Refusal: Send;

    /// Something has happened. It is a fact: nothing is refused here.
    fn apply(&mut self, event: &Self::Event);

    /// What a command comes to; nothing, if it changes nothing. Asked again, of a newer state, if another command was faster.
    fn handle(&self, command: &Self::Command) -> Result<Vec<Self::Event>, Self::Refusal>;
}

/// When the states of aggregates are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshots {
    pub(super) every: i64,
    pub(super) shape: i32,
}

impl Snapshots {
    /// Never: all events are read each time.
    pub const NEVER: Self = Self { every: 0, shape: 1 };

    /// After so many events.
    pub const fn every(events: u16) -> Self {
        Self { every: events as i64, shape: 1 }
    }

    /// Another shape of the state than before, counted from 1: has to be raised with each change of the state's fields, or of what
    /// `apply` makes of an event. Snapshots of other shapes are not read.
    #[must_use]
    pub const fn shape(self, shape: u16) -> Self {
        Self { shape: shape as i32, ..self }
    }
}

/// An aggregate as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded<A> {
    /// Its state.
    pub state: A,
    /// The version of its last event; 0: nothing has happened to it yet.
    pub version: i64,
    /// The version of the snapshot that it was loaded from; 0: there was none.
    pub snapshot: i64,
}
