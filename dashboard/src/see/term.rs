//! What jobs are found by.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A field of the index, or of the arguments: `order_id=17`, `payload.customer.email=ann@example.org`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Term {
    /// Jobs are indexed under it: they are found at once, however many there are.
    Index {
        /// The field's name.
        field: String,
        /// Its value.
        value: String,
    },
    /// It is in the arguments: every job has to be looked at.
    Payload {
        /// Names on the way to it; in a list a number, or none for any of its elements.
        path: Vec<String>,
        /// Its value.
        value: String,
    },
}

/// What the name of a field of the arguments begins with.
const PAYLOAD: &str = "payload.";

impl FromStr for Term {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no FIELD=VALUE: order_id=17, or payload.customer.email=ann@example.org");
        let (field, value) = text.trim().split_once('=').ok_or_else(wrong)?;
        let value = value.to_owned();
        let Some(path) = field.strip_prefix(PAYLOAD) else { return Ok(Self::Index { field: field.to_owned(), value }) };
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        if path.iter().any(String::is_empty) { Err(wrong()) } else { Ok(Self::Payload { path, value }) }
    }
}

impl TryFrom<String> for Term {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Term> for String {
    fn from(term: Term) -> Self {
        term.to_string()
    }
}

impl fmt::Display for Term {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index { field, value } => write!(out, "{field}={value}"),
            Self::Payload { path, value } => write!(out, "{PAYLOAD}{}={value}", path.join(".")),
        }
    }
}

impl Term {
    /// The field's name, without what it is in.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Index { field, .. } => field,
            Self::Payload { path, .. } => path.last().map(String::as_str).unwrap_or_default(),
        }
    }

    /// Whether arguments have it. One of the index says nothing of them.
    pub(super) fn is_in(&self, payload: &str) -> bool {
        let Self::Payload { path, value } = self else { return true };
        serde_json::from_str(payload).is_ok_and(|payload: Value| has(&payload, path, value))
    }
}

fn has(at: &Value, path: &[String], value: &str) -> bool {
    match (at, path) {
        (Value::Array(items), [name, rest @ ..]) => match name.parse::<usize>() {
            Ok(place) => items.get(place).is_some_and(|item| has(item, rest, value)),
            Err(_) => items.iter().any(|item| has(item, path, value)),
        },
        (Value::Array(items), []) => items.iter().any(|item| has(item, path, value)),
        (Value::Object(fields), [name, rest @ ..]) => fields.get(name).is_some_and(|field| has(field, rest, value)),
        (Value::String(text), []) => text == value,
        (Value::Object(_), []) | (_, [_, ..]) => false,
        (other, []) => {
            let text = other.to_string();
            text == value
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_wherever_it_is_in_the_arguments() {
        let payload = r#"{"id":7,"paid":true,"customer":{"email":"ann@example.org"},"items":[{"sku":"a"},{"sku":"b"}],"tags":["x","y"]}"#;
        let has = |term: &str| term.parse::<Term>().unwrap().is_in(payload);
        for term in [
            "payload.id=7",
            "payload.paid=true",
            "payload.customer.email=ann@example.org",
            "payload.items.sku=b",
            "payload.items.0.sku=a",
            "payload.tags=y",
        ] {
            assert!(has(term), "{term}");
        }
        for term in ["payload.id=70", "payload.customer=ann@example.org", "payload.items.0.sku=b", "payload.no.sku=a"] {
            assert!(!has(term), "{term}");
        }
    }

    #[test]
    fn what_is_no_term_is_refused() {
        assert!("order".parse::<Term>().unwrap_err().contains("`order` is no FIELD=VALUE"));
        assert!("payload..a=1".parse::<Term>().is_err());
        assert_eq!("payload.a.b=1=2".parse::<Term>().unwrap().to_string(), "payload.a.b=1=2");
    }
}
