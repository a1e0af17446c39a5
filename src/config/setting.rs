//! Settings: the values in force, fit to be shown, each with the place it came from.

use std::{fmt, path::PathBuf};

use serde::{Serialize, Serializer};
use toml::Value;

use super::key::Key;

/// Where a value came from. The order is that in which problems are told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A line of the file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// An environment variable.
    Variable(String),
    /// Nobody set it.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => write!(f, "env {name}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value in force. As JSON it is `{"key", "value", "origin"}`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Setting {
    /// Its key.
    #[serde(serialize_with = "as_text")]
    pub key: Key,
    /// Its value; `***` in place of a secret.
    pub value: Value,
    /// Where it came from.
    #[serde(serialize_with = "as_text")]
    pub origin: Origin,
}

fn as_text<S: Serializer>(value: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// One long URL should not push every comment off the screen.
pub(super) const WIDEST: usize = 72;

/// One line for each setting, as `millgate config` prints them: TOML that could be read again, with the origins as
/// comments in a column of their own.
pub fn to_text(settings: &[Setting]) -> String {
    let line = |setting: &Setting| format!("{} = {}", setting.key, setting.value);
    let lines: Vec<(String, &Origin)> = settings.iter().map(|setting| (line(setting), &setting.origin)).collect();
    let widths = lines.iter().map(|(line, _)| line.chars().count());
    let column = widths.filter(|&width| width <= WIDEST).max().unwrap_or(0);
    let lines = lines.iter().map(|(line, origin)| format!("{line:<column$}   # {origin}"));
    lines.chain([String::new()]).collect::<Vec<_>>().join("\n")
}
