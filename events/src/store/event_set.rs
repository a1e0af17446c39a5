//! The events of an aggregate: one enum of them.

use serde_json::Value;

use super::StoredEvent;
use crate::{DecodeError, Event, KafkaError};

/// Events that belong together. An enum of them derives it:
///
/// `#[derive(EventSet)] enum AccountEvent { Opened(Opened), Deposited(Deposited) }`; a single [`Event`] is one, too.
pub trait EventSet: Sized + Send + Sync + 'static {
    /// Names of the types.
    fn types() -> Vec<&'static str>;

    /// Reads a stored event, older versions lifted by [`Event::upcast`]; `None`: it is none of these.
    fn decode(event: &StoredEvent) -> Option<Result<Self, DecodeError>>;

    /// Makes it ready to be appended.
    fn encode(&self) -> Result<NewEvent, KafkaError>;
}

/// An event that is to be appended.
#[derive(Debug, Clone)]
pub struct NewEvent {
    pub(super) event_type: &'static str,
    pub(super) version: u32,
    pub(super) topic: &'static str,
    /// What it is about.
    pub(super) subject: String,
    pub(super) data: String,
}

impl NewEvent {
    /// Writes an event as JSON.
    pub fn of<E: Event>(event: &E) -> Result<Self, KafkaError> {
        let encode = |source| KafkaError::Encode { event_type: E::TYPE, source };
        Ok(Self {
            event_type: E::TYPE,
            version: E::VERSION,
            topic: E::TOPIC,
            subject: event.key(),
            data: serde_json::to_string(event).map_err(encode)?,
        })
    }
}

impl<E: Event> EventSet for E {
    fn types() -> Vec<&'static str> {
        vec![E::TYPE]
    }

    fn decode(event: &StoredEvent) -> Option<Result<Self, DecodeError>> {
        (event.event_type == E::TYPE).then(|| read::<E>(event.type_version, event.data()))
    }

    fn encode(&self) -> Result<NewEvent, KafkaError> {
        NewEvent::of(self)
    }
}

/// A payload of some version, as the type has it now.
fn read<E: Event>(version: u32, data: &str) -> Result<E, DecodeError> {
    let event_type = || E::TYPE.to_owned();
    if version == E::VERSION {
        return serde_json::from_str(data).map_err(|source| DecodeError::Shape { event_type: event_type(), source });
    }
    if version > E::VERSION || version == 0 {
        return Err(DecodeError::UnknownVersion { event_type: event_type(), version, known: E::VERSION });
    }
    let tree: Value = serde_json::from_str(data).map_err(DecodeError::NotJson)?;
    let lifted =
        E::upcast(version, tree).map_err(|reason| DecodeError::Upcast { event_type: event_type(), version, reason })?;
    serde_json::from_value(lifted).map_err(|source| DecodeError::Shape { event_type: event_type(), source })
}
