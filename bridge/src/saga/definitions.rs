//! All definitions that a program has.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Definition, definition::Starter};
use crate::Routes;

/// All definitions that a program has, by name and version.
#[derive(Clone, Default)]
pub struct Definitions {
    by_name: BTreeMap<&'static str, BTreeMap<u32, Arc<Definition>>>,
}

impl Definitions {
    /// Adds one. An error if there is one of that name and version.
    pub fn add(&mut self, definition: Definition) -> Result<(), String> {
        let (name, version) = (definition.name, definition.version);
        if self.by_name.entry(name).or_default().insert(version, Arc::new(definition)).is_some() {
            return Err(format!(
                "there are two sagas `{name}` of version {version}; give the new one another .version(…)"
            ));
        }
        Ok(())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// All, by name and version.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Definition>> {
        self.by_name.values().flat_map(BTreeMap::values)
    }

    /// The names that there are.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.by_name.keys().copied()
    }

    /// One of them.
    pub fn get(&self, name: &str, version: u32) -> Option<&Arc<Definition>> {
        self.by_name.get(name)?.get(&version)
    }

    /// The newest of that name, with which sagas begin.
    pub fn newest(&self, name: &str) -> Option<&Arc<Definition>> {
        self.by_name.get(name)?.values().next_back()
    }

    /// Names and versions.
    pub fn known(&self) -> (Vec<String>, Vec<i32>) {
        self.iter().map(|known| (known.name.to_owned(), i32::try_from(known.version).unwrap_or(i32::MAX))).unzip()
    }

    /// Events that begin sagas of that type, with the newest definition of each.
    pub(super) fn starters(&self, event_type: &str) -> impl Iterator<Item = (&Arc<Definition>, &Starter)> {
        let newest = self.by_name.values().filter_map(|versions| versions.values().next_back());
        newest.flat_map(move |definition| {
            let starters = definition.starters.iter().filter(move |starter| starter.event_type == event_type);
            starters.map(move |starter| (definition, starter))
        })
    }

    /// Topics of the events that begin sagas, without the prefix.
    pub fn start_topics(&self) -> BTreeSet<&'static str> {
        self.iter().flat_map(|definition| definition.starters.iter().map(|starter| starter.topic)).collect()
    }

    /// Topics of replies to commands.
    pub(super) fn reply_topics(&self) -> BTreeSet<&'static str> {
        let commands = self.iter().flat_map(|definition| definition.commands());
        commands.flat_map(|command| [command.done, command.failed]).collect()
    }

    /// Topics that an orchestrator reads, without the prefix.
    pub fn read_topics(&self) -> BTreeSet<&'static str> {
        self.reply_topics().into_iter().chain(self.start_topics()).collect()
    }

    /// Makes known what sagas write: for a reader of all events nothing of it is poison.
    pub fn know(&self, routes: &mut Routes) {
        for definition in self.iter() {
            for (topic, event_type) in definition.written() {
                routes.know_named(&topic, &event_type);
            }
            definition.know(routes);
        }
    }
}
