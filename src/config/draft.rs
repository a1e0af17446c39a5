//! The draft: every value with its origin, while file and environment are laid over the defaults.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::key::Key;
use super::notebook;
use super::problem::{ConfigError, Problem};
use super::secret;
use super::setting::{Origin, Setting, literal};
use super::shape::Shape;

/// A section: its name, what it takes, and what it holds if nobody says anything.
#[derive(Debug)]
pub(super) struct Section {
    name: String,
    shape: Shape,
    defaults: Value,
}

impl Section {
    /// The section of this name, of type `T`.
    pub(super) fn of<T>(name: &str) -> Result<Self, ConfigError>
    where
        T: Serialize + DeserializeOwned + Default,
    {
        let failed = |message: String| Problem::Section {
            section: name.to_owned(),
            message: format!(
                "its type must be a struct that can be written as TOML and read back: {message}"
            ),
        };
        let defaults = Value::try_from(T::default()).map_err(|e| failed(e.to_string()))?;
        let shape = notebook::learn::<T>(&defaults).map_err(failed)?;
        if !matches!(shape, Shape::Table { .. }) {
            return Err(failed(format!("it is {}", literal(&defaults))).into());
        }
        Ok(Self {
            name: name.to_owned(),
            shape,
            defaults,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn shape_mut(&mut self) -> &mut Shape {
        &mut self.shape
    }
}

/// A value's place in the configuration, whether or not there is a value.
pub(super) struct Leaf {
    pub(super) key: Key,
    pub(super) shape: Shape,
    pub(super) value: Option<Value>,
}

/// The configuration in the making. Problems are gathered, so that all are told at once.
pub(super) struct Draft {
    shape: Shape,
    defaults: Table,
    values: Table,
    /// Of the values that are not defaults.
    origins: BTreeMap<Key, Origin>,
    wrong: BTreeSet<Key>,
    problems: Vec<Problem>,
}

impl Draft {
    pub(super) fn new(sections: Vec<Section>) -> Self {
        let mut fields = Vec::new();
        let mut defaults = Table::new();
        for section in sections {
            fields.push((section.name.clone(), section.shape));
            defaults.insert(section.name, section.defaults);
        }
        Self {
            shape: Shape::Table {
                fields,
                other: None,
            },
            values: defaults.clone(),
            defaults,
            origins: BTreeMap::new(),
            wrong: BTreeSet::new(),
            problems: Vec::new(),
        }
    }

    /// What the whole file takes.
    pub(super) fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Every setting there is: those with a value, and those that could have one.
    pub(super) fn leaves(&self) -> Vec<Leaf> {
        let mut leaves = Vec::new();
        let values = Value::Table(self.values.clone());
        gather(&Key::default(), &self.shape, Some(&values), &mut leaves);
        leaves
    }

    /// Where a value came from.
    pub(super) fn origin(&self, key: &Key) -> Origin {
        self.origins.get(key).cloned().unwrap_or(Origin::Default)
    }

    /// Whether somebody set this value.
    pub(super) fn is_set(&self, key: &Key) -> bool {
        self.origins.contains_key(key)
    }

    /// Whether something was said about this value already.
    pub(super) fn is_wrong(&self, key: &Key) -> bool {
        self.wrong.contains(key)
    }

    /// Notes a problem.
    pub(super) fn tell(&mut self, problem: Problem) {
        match &problem {
            Problem::WrongType { key, .. }
            | Problem::Senseless { key, .. }
            | Problem::Conflict { key, .. } => {
                self.wrong.insert(key.clone());
            }
            _ => {}
        }
        self.problems.push(problem);
    }

    /// Lays a value over what was there.
    pub(super) fn set(&mut self, key: &Key, value: Value, origin: Origin) {
        if let Some(slot) = slot(&mut self.values, key) {
            *slot = value;
            self.origins.insert(key.clone(), origin);
        }
    }

    /// Makes sure that a table is there, even if nothing is set in it.
    pub(super) fn open(&mut self, key: &Key) {
        if let Some(slot) = slot(&mut self.values, key)
            && !slot.is_table()
        {
            *slot = Value::Table(Table::new());
        }
    }

    /// Reads a section as its type. What the type refuses is told, and put back to its default.
    pub(super) fn read<T: DeserializeOwned + Default>(&mut self, section: &str) -> T {
        loop {
            let Some(value) = self.values.get(section) else {
                return T::default();
            };
            let error = match value.clone().try_into::<T>() {
                Ok(read) => return read,
                Err(error) => error,
            };
            let (path, message) = notebook::stumble::<T>(value)
                .unwrap_or_else(|| (Vec::new(), error.message().to_owned()));
            let secrets = Value::Table(self.values.clone());
            let message = secret::scrub(&message, &Key::default(), &secrets);
            let key = if path.is_empty() {
                self.culprit::<T>(section)
            } else {
                let section = Key::section(section);
                Some(path.iter().fold(section, |key, name| key.child(name)))
            };
            // A table that lacks something is told at the first thing it has.
            let found = key.and_then(|key| {
                let mut origins = self.origins.iter();
                let (_, place) = origins.find(|(set, _)| set.is_within(&key))?;
                Some((place.clone(), key))
            });
            let Some((place, key)) = found else {
                self.tell(Problem::Section {
                    section: section.to_owned(),
                    message,
                });
                return T::default();
            };
            // Without a value that was refused, its table may well be incomplete; enough is said.
            if !self.wrong.iter().any(|wrong| wrong.is_within(&key)) {
                self.tell(Problem::Senseless {
                    place,
                    key: key.clone(),
                    message,
                });
            }
            self.origins.retain(|set, _| !set.is_within(&key));
            reset(&mut self.values, &self.defaults, &key);
        }
    }

    /// The one value without which the section would be good, for types that stumble without saying
    /// where: `#[serde(flatten)]` does, and so does a check of several values.
    fn culprit<T: DeserializeOwned>(&self, section: &str) -> Option<Key> {
        let within = Key::section(section);
        let mut culprits = self.origins.keys().filter(|&key| {
            let mut values = self.values.clone();
            reset(&mut values, &self.defaults, key);
            let value = values.remove(section);
            key.is_within(&within) && value.is_some_and(|value| value.try_into::<T>().is_ok())
        });
        match (culprits.next(), culprits.next()) {
            (Some(key), None) => Some(key.clone()),
            _ => None,
        }
    }

    /// The settings as they are in force, or all that is wrong.
    pub(super) fn finish(self) -> Result<Vec<Setting>, ConfigError> {
        let leaves = self.leaves();
        if !self.problems.is_empty() {
            return Err(ConfigError::new(self.problems));
        }
        let settings = leaves.into_iter().filter_map(|leaf| {
            let value = secret::mask(&leaf.key, &leaf.value?);
            let origin = self.origins.get(&leaf.key).cloned();
            Some(Setting {
                key: leaf.key,
                value,
                origin: origin.unwrap_or(Origin::Default),
            })
        });
        Ok(settings.collect())
    }
}

fn gather(key: &Key, shape: &Shape, value: Option<&Value>, leaves: &mut Vec<Leaf>) {
    let Shape::Table { fields, other } = shape else {
        leaves.push(Leaf {
            key: key.clone(),
            shape: shape.clone(),
            value: value.cloned(),
        });
        return;
    };
    for (name, shape) in fields {
        let value = value.and_then(|value| value.get(name));
        gather(&key.child(name), shape, value, leaves);
    }
    if let (Some(shape), Some(Value::Table(table))) = (other, value) {
        let known = |name: &String| fields.iter().any(|(field, _)| field == name);
        for (name, value) in table.iter().filter(|(name, _)| !known(name)) {
            gather(&key.child(name), shape, Some(value), leaves);
        }
    }
}

/// Puts a value, or a table of them, back to its default.
fn reset(values: &mut Table, defaults: &Table, key: &Key) {
    if let Some(Value::Table(table)) = slot(values, &key.parent()) {
        match get(defaults, key) {
            Some(default) => table.insert(key.last().to_owned(), default.clone()),
            None => table.remove(key.last()),
        };
    }
}

fn get<'a>(table: &'a Table, key: &Key) -> Option<&'a Value> {
    let (first, rest) = key.segments().split_first()?;
    rest.iter()
        .try_fold(table.get(first)?, |value, name| value.get(name))
}

/// The place of a value, with the tables on the way made.
fn slot<'a>(table: &'a mut Table, key: &Key) -> Option<&'a mut Value> {
    let (last, path) = key.segments().split_last()?;
    let mut table = table;
    for name in path {
        let next = table
            .entry(name.as_str())
            .or_insert_with(|| Value::Table(Table::new()));
        table = next.as_table_mut()?;
    }
    Some(
        table
            .entry(last.as_str())
            .or_insert_with(|| Value::Table(Table::new())),
    )
}
