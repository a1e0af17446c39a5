//! What nobody is shown: fields that the code marks as sensitive, and those that the configuration names.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Stands in place of a value.
pub const HIDDEN: &str = "•••";

/// What nobody is shown, admins neither: a field that somebody has to see is not sensitive.
///
/// A path is a name (`email`: every field of that name, wherever it is) or several with dots between
/// (`customer.email`: fields of that name in a field `customer`, wherever that is).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mask {
    /// In everything.
    everywhere: Paths,
    /// In events of a type.
    events: BTreeMap<String, Paths>,
    /// In jobs of a kind.
    jobs: BTreeMap<String, Paths>,
}

/// Names, the innermost last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Paths(BTreeSet<Vec<String>>);

impl Mask {
    /// One that hides these paths in everything.
    pub fn of<T: AsRef<str>>(paths: impl IntoIterator<Item = T>) -> Self {
        Self { everywhere: Paths::of(paths), ..Self::default() }
    }

    /// Hides these, too, in events of that type.
    #[must_use]
    pub fn event<T: AsRef<str>>(mut self, kind: &str, paths: impl IntoIterator<Item = T>) -> Self {
        self.events.entry(kind.to_owned()).or_default().0.extend(Paths::of(paths).0);
        self
    }

    /// Hides these, too, in jobs of that kind.
    #[must_use]
    pub fn job<T: AsRef<str>>(mut self, kind: &str, paths: impl IntoIterator<Item = T>) -> Self {
        self.jobs.entry(kind.to_owned()).or_default().0.extend(Paths::of(paths).0);
        self
    }

    /// Hides what is hidden everywhere.
    pub fn apply(&self, value: &mut Value) {
        hide(value, &mut Vec::new(), &[&self.everywhere]);
    }

    /// Hides what is hidden in an event of that type, and says whether there was something.
    pub fn apply_to_event(&self, kind: &str, value: &mut Value) -> bool {
        let own = self.events.get(kind);
        hide(value, &mut Vec::new(), &[[&self.everywhere].as_slice(), own.as_slice()].concat())
    }

    /// Hides what is hidden in a job of that kind, and what is in an event of the type that led to it: routes mostly keep
    /// the names of fields. Says whether there was something.
    pub fn apply_to_job(&self, kind: &str, event: Option<&str>, value: &mut Value) -> bool {
        let event = event.and_then(|event| self.events.get(event));
        let own = self.jobs.get(kind);
        hide(value, &mut Vec::new(), &[[&self.everywhere].as_slice(), own.as_slice(), event.as_slice()].concat())
    }

    /// What may be shown of an event of that type, or of a job of that kind.
    pub fn shown(&self, of: &str, mut value: Value) -> Value {
        self.apply_to_job(of, Some(of), &mut value);
        value
    }

    /// What may be shown of what a saga keeps: it has its fields from events and replies, and gives them to commands.
    pub fn shown_in_saga(&self, mut state: Value) -> Value {
        let all = [&self.everywhere].into_iter().chain(self.events.values()).chain(self.jobs.values());
        hide(&mut state, &mut Vec::new(), &all.collect::<Vec<_>>());
        state
    }

    /// Whether a field of that name is hidden in jobs of that kind; or in any, if it is not said which. Nobody must find
    /// out what is in one by looking for it.
    pub fn hides(&self, kind: Option<&str>, field: &str) -> bool {
        let jobs = self.jobs.iter().filter(|(known, _)| kind.is_none_or(|kind| kind == known.as_str()));
        let mut all = jobs.map(|(_, paths)| paths).chain(self.events.values()).chain([&self.everywhere]);
        all.any(|paths| paths.0.iter().any(|path| path.last().is_some_and(|name| is_like(name, field))))
    }
}

/// What somebody edited who was not shown all of it: what is still hidden in it is as it was.
pub(crate) fn restore(edited: &mut Value, before: &Value) {
    match (edited, before) {
        (Value::Object(fields), Value::Object(before)) => {
            for (name, value) in fields {
                if let Some(before) = before.get(name) {
                    restore(value, before);
                }
            }
        }
        (Value::Array(items), Value::Array(before)) => {
            items.iter_mut().zip(before).for_each(|(value, before)| restore(value, before));
        }
        (value, before) if value == HIDDEN => *value = before.clone(),
        _ => {}
    }
}

impl Paths {
    fn of<T: AsRef<str>>(paths: impl IntoIterator<Item = T>) -> Self {
        let names = |path: T| path.as_ref().trim().trim_start_matches("$.").split('.').map(str::to_owned).collect();
        Self(paths.into_iter().map(names).collect())
    }

    /// Whether a field is hidden that stands there.
    fn hide(&self, place: &[String]) -> bool {
        let ends = |path: &Vec<String>| {
            place.len() >= path.len()
                && place.iter().rev().zip(path.iter().rev()).all(|(one, other)| is_like(one, other))
        };
        self.0.iter().any(ends)
    }
}

/// Names differ in how they are written: `customerEmail` is `customer_email`.
fn is_like(one: &str, other: &str) -> bool {
    let plain =
        |name: &str| name.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect::<String>();
    plain(one) == plain(other)
}

fn hide(value: &mut Value, place: &mut Vec<String>, all: &[&Paths]) -> bool {
    let mut is_hidden = false;
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                place.push(name.clone());
                // That there is none is no secret.
                if !value.is_null() && all.iter().any(|paths| paths.hide(place)) {
                    *value = HIDDEN.into();
                    is_hidden = true;
                } else {
                    is_hidden |= hide(value, place, all);
                }
                place.pop();
            }
        }
        // Items stand where their list does.
        Value::Array(items) => items.iter_mut().for_each(|item| is_hidden |= hide(item, place, all)),
        _ => {}
    }
    is_hidden
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_is_hidden_wherever_it_is_and_a_path_where_it_ends() {
        let mask = Mask::of(["card", "$.customer.email"]);
        let mut value = json!({
            "email": "shop@example.org",
            "customer": { "email": "ann@example.org", "name": "Ann", "card": null },
            "payments": [{ "card": { "number": 4111 }, "Card": 1 }, { "sum": 7 }],
        });
        mask.apply(&mut value);
        let shown = json!({
            "email": "shop@example.org",
            "customer": { "email": HIDDEN, "name": "Ann", "card": null },
            "payments": [{ "card": HIDDEN, "Card": HIDDEN }, { "sum": 7 }],
        });
        assert_eq!(value, shown);
    }

    #[test]
    fn what_is_hidden_outlives_an_edit() {
        let before = json!({ "card": { "number": 4111 }, "to": "ann", "lines": [{ "pin": 1 }, { "pin": 2 }] });
        let mut edited = Mask::of(["card", "pin"]).shown("charge", before.clone());
        edited["to"] = "bob".into();
        edited["new"] = HIDDEN.into();
        restore(&mut edited, &before);
        let whole =
            json!({ "card": { "number": 4111 }, "to": "bob", "new": HIDDEN, "lines": [{ "pin": 1 }, { "pin": 2 }] });
        assert_eq!(edited, whole);
    }

    #[test]
    fn what_is_sensitive_in_an_event_is_in_its_jobs() {
        let mask = Mask::default().event("order.created", ["customer_email"]).job("send-mail", ["body"]);
        let masked = |apply: &dyn Fn(&mut Value) -> bool| {
            let mut value = json!({ "customerEmail": 1, "body": 2, "order": 3 });
            let before = value.clone();
            assert_eq!(apply(&mut value), value != before);
            value
        };
        let event = masked(&|value| mask.apply_to_event("order.created", value));
        assert_eq!(event, json!({ "customerEmail": HIDDEN, "body": 2, "order": 3 }));
        let job = masked(&|value| mask.apply_to_job("send-mail", Some("order.created"), value));
        assert_eq!(job, json!({ "customerEmail": HIDDEN, "body": HIDDEN, "order": 3 }));
        let other = masked(&|value| mask.apply_to_job("other", Some("order.paid"), value));
        assert_eq!(other, json!({ "customerEmail": 1, "body": 2, "order": 3 }));
        assert!(mask.hides(Some("send-mail"), "body") && mask.hides(None, "customer_email"));
        assert!(!mask.hides(Some("other"), "body") && !mask.hides(None, "order"));
    }
}
