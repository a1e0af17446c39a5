//! What can be wrong with a configuration, each with its place and the way out.

use std::fmt;

use toml::Value;

use super::{key::Key, kind, secret, setting::Origin};

/// One thing that is wrong, on one line. No secret is ever part of it: values are masked before they get here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Problem {
    origin: Option<Origin>,
    /// The setting whose value is wrong.
    pub(super) key: Option<Key>,
    message: String,
}

impl Problem {
    /// The file as a whole, or a section.
    pub(super) fn of(what: impl fmt::Display, message: impl fmt::Display) -> Self {
        Self { origin: None, key: None, message: format!("{what}: {message}") }
    }

    /// A line or a variable that is not understood.
    pub(super) fn at(origin: Origin, message: String) -> Self {
        Self { origin: Some(origin), key: None, message }
    }

    /// A value that its setting does not take.
    pub(super) fn value(origin: Origin, key: Key, message: String) -> Self {
        Self { origin: Some(origin), key: Some(key), message }
    }

    /// A value of another type than the setting's default, `like`.
    pub(super) fn wrong_type(origin: Origin, key: Key, like: &Value, found: &Value) -> Self {
        let found = secret::mask(&key, found);
        Self::value(origin, key, format!("expected {}, found {found}", kind::expected(like)))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Some(Origin::Variable(name)) => write!(f, "environment variable {name}: ")?,
            Some(origin) => write!(f, "{origin}: ")?,
            None => {}
        }
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// A configuration that cannot be used, with everything that is wrong with it, a line each.
#[derive(Debug, thiserror::Error)]
#[error("{}", .problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError {
    problems: Vec<Problem>,
}

impl ConfigError {
    /// In the order of the file, then of the environment.
    pub(super) fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort();
        Self { problems }
    }
}
