//! Routes as the file has them: tables `[[routes]]`, with the lines of what stands in them.
//!
//! Here it is checked that every key is one that a route has, with a value of its type. Whether the route makes sense, only
//! the application knows: see [`declared`](super::declared).

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};
use toml::{Table, Value};

use super::{
    key::{Key, nearest},
    kind,
    problem::Problem,
    setting::Origin,
};

/// The key of all routes.
pub(super) const ROUTES: &str = "routes";

/// A `[[routes]]` table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WrittenRoute {
    /// Where it begins.
    pub(super) origin: Origin,
    /// What stands in it.
    pub(super) values: Map<String, Json>,
    /// Where each of it stands; a field as `fields.url`, a condition as `when.0`.
    pub(super) origins: BTreeMap<String, Origin>,
}

/// All that a route can say.
fn example() -> Table {
    toml::toml! {
        on = "order.created"
        version = 2
        when = ["$.total > 100"]
        job = "notification-email"
        cancel = "reminder-email"
        queue = "email"
        delay = "10m"
        priority = 3
        unique = "$.order_id"
        once = "1day"
        ordered_by = "$.customer_id"
        max_attempts = 8
        timeout = "30s"
        fields = {}
    }
}

impl WrittenRoute {
    pub(super) fn new(origin: Origin) -> Self {
        Self { origin, values: Map::new(), origins: BTreeMap::new() }
    }

    /// Notes where something stands.
    pub(super) fn place(&mut self, name: String, origin: Origin) {
        self.origins.insert(name, origin);
    }

    /// Takes a value in, if it is of the right type.
    pub(super) fn set(&mut self, name: &str, value: &Value, origin: Origin) -> Result<(), Problem> {
        let (key, example) = (key(name), example());
        let Some(like) = example.get(name) else {
            let hint = match nearest(name, example.keys().map(String::as_str)) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("there are: {}", example.keys().cloned().collect::<Vec<_>>().join(", ")),
            };
            return Err(Problem::at(origin, format!("unknown key {key}; {hint}")));
        };
        let is_span = || value.as_str().is_some_and(|text| humantime::parse_duration(text).is_ok());
        let are_texts = || value.as_array().is_some_and(|items| items.iter().all(Value::is_str));
        let fits = match like {
            Value::Array(_) => are_texts(),
            like if kind::is_duration(like) => is_span(),
            like => kind::takes(like, value),
        };
        if !fits {
            return Err(match like {
                Value::Array(_) => Problem::value(origin, key, format!("expected a list of texts, found {value}")),
                like => Problem::wrong_type(origin, key, like, value),
            });
        }
        self.values.insert(name.to_owned(), json(value));
        self.place(name.to_owned(), origin);
        Ok(())
    }

    /// Where something stands, or what it is part of.
    pub(super) fn origin(&self, name: &str) -> &Origin {
        let parent = || self.origins.get(name.split_once('.')?.0);
        self.origins.get(name).or_else(parent).unwrap_or(&self.origin)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.as_str()
    }
}

/// The key of something in a route.
pub(super) fn key(name: &str) -> Key {
    let names = name.splitn(2, '.');
    names.fold(Key::of(ROUTES), |key, name| key.child(name))
}

/// TOML has one type more than JSON: a time, which is written as text there.
fn json(value: &Value) -> Json {
    match value {
        Value::String(text) => text.as_str().into(),
        Value::Integer(number) => (*number).into(),
        Value::Float(number) => (*number).into(),
        Value::Boolean(switch) => (*switch).into(),
        Value::Datetime(time) => time.to_string().into(),
        Value::Array(items) => items.iter().map(json).collect(),
        Value::Table(table) => table.iter().map(|(name, value)| (name.clone(), json(value))).collect(),
    }
}
