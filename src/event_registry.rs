//! Every event type of an application, for those who have only its name: `publish` and `topics`.

use std::collections::BTreeMap;

use millgate_events::{Event, Value};

/// What is known of one event type.
pub(crate) struct EventType {
    pub(crate) topic: &'static str,
    pub(crate) version: u32,
    /// Fields that nobody is shown.
    pub(crate) sensitive: &'static [&'static str],
    /// Reads a payload of the current version, and gives its key.
    pub(crate) key: fn(&Value) -> Result<String, serde_json::Error>,
}

/// Event types by name.
#[derive(Default)]
pub(crate) struct EventRegistry(BTreeMap<&'static str, EventType>);

impl EventRegistry {
    pub(crate) fn add<E: Event>(&mut self) {
        let key = |data: &Value| E::deserialize(data).map(|event| event.key());
        self.0.entry(E::TYPE).or_insert(EventType {
            topic: E::TOPIC,
            version: E::VERSION,
            sensitive: E::SENSITIVE,
            key,
        });
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, &EventType)> {
        self.0.iter().map(|(name, event)| (*name, event))
    }

    pub(crate) fn find(&self, name: &str) -> Option<&EventType> {
        self.0.get(name)
    }

    /// The known name that is most like this one.
    pub(crate) fn nearest(&self, name: &str) -> Option<&'static str> {
        let distance = |known: &&&str| strsim::damerau_levenshtein(name, known);
        self.0.keys().min_by_key(distance).copied()
    }
}
