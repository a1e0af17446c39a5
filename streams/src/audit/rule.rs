//! Where a part of an entry comes from.

use millgate_events::{EventMeta, Record, Value};

/// An event that an entry is made of.
#[derive(Debug, Clone, Copy)]
pub struct AuditEvent<'a> {
    /// Its attributes.
    pub meta: &'a EventMeta,
    /// Its record, with headers and key.
    pub record: &'a Record,
    /// Its payload, without what nobody is shown; null if it is in the claim store, or was deleted.
    pub payload: &'a Value,
}

/// Stands in the payload in place of what nobody is shown.
const HIDDEN: &str = "•••";

type Function = dyn Fn(&AuditEvent<'_>) -> Option<String> + Send + Sync;

/// One way to find it.
pub(super) enum Rule {
    /// Names of fields, the outermost first.
    Path(Vec<String>),
    Function(Box<Function>),
}

impl Rule {
    /// A path: `customer.email`, or `$.customer.email`.
    pub(super) fn path(path: &str) -> Self {
        Self::Path(path.trim().trim_start_matches("$.").split('.').map(str::to_owned).collect())
    }

    pub(super) fn find(&self, event: &AuditEvent<'_>) -> Option<String> {
        match self {
            Self::Path(names) => names.iter().try_fold(event.payload, |value, name| value.get(name)).and_then(text),
            Self::Function(function) => function(event).filter(|text| !text.is_empty()),
        }
    }
}

/// The first rule that finds something.
pub(super) fn first(rules: &[Rule], event: &AuditEvent<'_>) -> Option<String> {
    rules.iter().find_map(|rule| rule.find(event))
}

/// A value as a name: what is no text, number or truth value is none; neither is what is hidden.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.is_empty() || text == HIDDEN => None,
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
