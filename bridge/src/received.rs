//! An event as a route sees it.

use std::{ops::Deref, sync::Arc};

use millgate_events::EventMeta;

/// A typed event with its attributes; its fields can be used as if it were the event itself.
#[derive(Debug)]
pub struct Received<E> {
    /// The event.
    pub event: E,
    /// Its attributes.
    pub meta: Arc<EventMeta>,
}

impl<E> Deref for Received<E> {
    type Target = E;
    fn deref(&self) -> &E {
        &self.event
    }
}
