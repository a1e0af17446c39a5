//! The draft: the defaults, and what file and environment lay over them.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::{
    key::Key,
    kind,
    problem::{ConfigError, Problem},
    secret,
    setting::{Origin, Setting},
    written_route::WrittenRoute,
};

/// The configuration in the making. Problems are gathered, so that all are told at once.
pub(super) struct Draft {
    defaults: Table,
    /// The defaults, which say what can be set, and an example of each table in the file whose name somebody chose.
    shape: Table,
    overrides: BTreeMap<Key, (Value, Origin)>,
    routes: Vec<WrittenRoute>,
    problems: Vec<Problem>,
}

impl Draft {
    /// A draft of these sections.
    pub(super) fn new(defaults: Table) -> Self {
        Self { shape: defaults.clone(), defaults, overrides: BTreeMap::new(), routes: Vec::new(), problems: Vec::new() }
    }

    /// All that can be set, with a value of the right type.
    pub(super) fn shape(&self) -> &Table {
        &self.shape
    }

    /// The same as a list.
    pub(super) fn leaves(&self) -> Vec<(Key, Value)> {
        let mut leaves = Vec::new();
        gather(&Key::default(), &self.shape, &mut leaves);
        leaves
    }

    /// Makes the settings of a table of a name that somebody chose known.
    pub(super) fn open(&mut self, key: &Key, example: Table) {
        key.put(&mut self.shape, Value::Table(example));
    }

    /// Adds a route.
    pub(super) fn add_route(&mut self, route: WrittenRoute) {
        self.routes.push(route);
    }

    /// The routes, in the order of the file.
    pub(super) fn take_routes(&mut self) -> Vec<WrittenRoute> {
        std::mem::take(&mut self.routes)
    }

    /// Notes a problem.
    pub(super) fn tell(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Lays a value over what was there, if it is like the default.
    pub(super) fn set(&mut self, key: Key, like: &Value, value: Value, origin: Origin) {
        if kind::takes(like, &value) {
            self.overrides.insert(key, (value, origin));
        } else {
            self.tell(Problem::wrong_type(origin, key, like, &value));
        }
    }

    /// What somebody set this to, and where.
    pub(super) fn get(&self, key: &Key) -> Option<&(Value, Origin)> {
        self.overrides.get(key)
    }

    /// Where a value came from, or the first one of a table.
    pub(super) fn origin(&self, key: &Key) -> Origin {
        let mut set = self.overrides.iter();
        let first = set.find(|(set, _)| set.names().starts_with(key.names()));
        first.map_or(Origin::Default, |(_, (_, origin))| origin.clone())
    }

    /// Whether something was said about this value already.
    pub(super) fn is_wrong(&self, key: &Key) -> bool {
        self.problems.iter().any(|problem| problem.key.as_ref() == Some(key))
    }

    /// Reads a section as its type.
    ///
    /// If the type refuses the whole, each value is tried alone over the defaults: an error is then about that value,
    /// and has its line. The section is read without those values, so that what else is wrong can be told.
    pub(super) fn read<T: DeserializeOwned + Default>(&mut self, section: &str) -> T {
        type Set<'a> = (&'a Key, &'a (Value, Origin));
        let with = |set: &[Set<'_>]| {
            let mut values = self.defaults.clone();
            for (key, (value, _)) in set {
                key.put(&mut values, value.clone());
            }
            values.remove(section).unwrap_or(Value::Table(Table::new()))
        };
        let read = |set: &[Set<'_>]| with(set).try_into::<T>();
        let set = self.overrides.iter().filter(|(key, _)| key.names().first().is_some_and(|name| name == section));
        let set: Vec<_> = set.collect();
        if let Ok(section) = read(&set) {
            return section;
        }
        let mut good = Vec::new();
        for one in set {
            let (key, (value, origin)) = one;
            if let Err(error) = read(&[one]) {
                let (origin, own_key) = (origin.clone(), key.clone());
                self.problems.push(match key.get(&self.shape) {
                    // The type says only that it is none, and not how one is written.
                    Some(like) if kind::is_duration(like) && !kind::is_duration(value) => {
                        Problem::wrong_type(origin, own_key, like, value)
                    }
                    _ => Problem::value(origin, own_key, secret::said(error.message(), key, value)),
                });
            } else {
                good.push(one);
            }
        }
        read(&good).unwrap_or_else(|error| {
            let message = secret::said(error.message(), &Key::of(section), &with(&good));
            self.problems.push(Problem::of(format_args!("section [{section}]"), message));
            T::default()
        })
    }

    /// The settings in force, or all that is wrong.
    pub(super) fn finish(self) -> Result<Vec<Setting>, ConfigError> {
        if !self.problems.is_empty() {
            return Err(ConfigError::new(self.problems));
        }
        let settings = self.leaves().into_iter().filter_map(|(key, _)| {
            let value = match self.get(&key) {
                Some((value, _)) => value,
                // Of a table of a chosen name only what was set is in force.
                None => key.get(&self.defaults)?,
            };
            Some(Setting { value: secret::mask(&key, value), origin: self.origin(&key), key })
        });
        Ok(settings.collect())
    }
}

fn gather(key: &Key, table: &Table, leaves: &mut Vec<(Key, Value)>) {
    for (name, value) in table {
        let key = key.child(name);
        match value {
            Value::Table(table) => gather(&key, table, leaves),
            _ => leaves.push((key, value.clone())),
        }
    }
}
