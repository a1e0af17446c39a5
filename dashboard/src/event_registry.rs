//! Every event type of an application, for those who have only its name.

use std::collections::BTreeMap;

use chrono::DateTime;
use millgate_events::{DecodeError, Event, EventMeta, Incoming, Value, schemars::Schema};

/// What is known of one event type.
pub struct EventType {
    /// The topic that it comes on, without the prefix.
    pub topic: &'static str,
    /// Its newest version.
    pub version: u32,
    /// Fields that nobody is shown.
    pub sensitive: &'static [&'static str],
    /// Reads a payload of the newest version, and gives its key.
    pub key: fn(&Value) -> Result<String, serde_json::Error>,
    /// Reads a payload of any version as its type, as a record with it would be.
    pub read: fn(u32, Value) -> Result<(), DecodeError>,
    /// The JSON Schema of its newest version, if it has one.
    pub schema: fn() -> Option<Schema>,
}

fn read<E: Event>(version: u32, data: Value) -> Result<(), DecodeError> {
    let meta = EventMeta { version, ..EventMeta::new::<E>("", DateTime::UNIX_EPOCH) };
    Incoming::new(meta, data).decode::<E>().map(drop)
}

/// Event types by name.
#[derive(Default)]
pub struct EventRegistry(BTreeMap<&'static str, EventType>);

impl EventRegistry {
    /// Makes one known.
    pub fn add<E: Event>(&mut self) {
        let key = |data: &Value| E::deserialize(data).map(|event| event.key());
        self.0.entry(E::TYPE).or_insert(EventType {
            topic: E::TOPIC,
            version: E::VERSION,
            sensitive: E::SENSITIVE,
            key,
            read: read::<E>,
            schema: E::schema,
        });
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &EventType)> {
        self.0.iter().map(|(name, event)| (*name, event))
    }

    /// What is known of one.
    pub fn find(&self, name: &str) -> Option<&EventType> {
        self.0.get(name)
    }

    /// All names, in order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }
}
