//! Every event type of an application, for those who have only its name.

use std::collections::BTreeMap;

use millgate_events::{Event, Value};

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
