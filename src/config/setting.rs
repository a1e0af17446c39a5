//! Settings: the values in force, fit to be shown, each with the place it came from.

use std::fmt;
use std::path::PathBuf;

use serde::{Serialize, Serializer};
use toml::Value;

use super::key::Key;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A line of the file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// An environment variable.
    Variable(String),
}

impl Origin {
    /// As an error message begins.
    pub(super) fn place(&self) -> String {
        match self {
            Self::Variable(name) => format!("environment variable {name}"),
            Self::Default | Self::File { .. } => self.to_string(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => write!(f, "env {name}"),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
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
    pub origin: Origin,
}

fn as_text<S: Serializer>(key: &Key, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(key)
}

/// One line for each setting, as `millgate config` prints them: TOML that could be read again, with
/// the origins as comments in a column of their own.
pub fn to_text(settings: &[Setting]) -> String {
    let lines: Vec<(String, &Origin)> = settings
        .iter()
        .map(|setting| {
            let line = format!("{} = {}", setting.key, literal(&setting.value));
            (line, &setting.origin)
        })
        .collect();
    // One long URL should not push every comment off the screen.
    let column = lines
        .iter()
        .map(|(line, _)| line.chars().count())
        .filter(|&width| width <= WIDEST)
        .max()
        .unwrap_or(0);
    let mut text: Vec<String> = lines
        .iter()
        .map(|(line, origin)| format!("{line:<column$}   # {origin}"))
        .collect();
    text.push(String::new());
    text.join("\n")
}

const WIDEST: usize = 72;

/// A value on one line, as TOML writes it.
pub(super) fn literal(value: &Value) -> String {
    match value {
        // JSON's escapes are TOML's too; the TOML writer would break a text with newlines into lines.
        Value::String(text) => serde_json::Value::from(text.as_str()).to_string(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(literal).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Table(table) if table.is_empty() => "{}".to_owned(),
        Value::Table(table) => {
            let fields: Vec<String> = table
                .iter()
                .map(|(name, value)| format!("{} = {}", Key::section(name), literal(value)))
                .collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {
            value.to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(key: &[&str], value: impl Into<Value>, origin: Origin) -> Setting {
        Setting {
            key: Key::from(key),
            value: value.into(),
            origin,
        }
    }

    #[test]
    fn lines_are_aligned_and_say_where_from() {
        let file = Origin::File {
            path: "millgate.toml".into(),
            line: 4,
        };
        let settings = [
            setting(&["kafka", "brokers"], "127.0.0.1:19092", Origin::Default),
            setting(&["kafka", "linger_ms"], 5, file),
            setting(
                &["worker", "queues"],
                vec!["mail", "search"],
                Origin::Variable("MILLGATE_WORKER_QUEUES".into()),
            ),
        ];
        assert_eq!(
            to_text(&settings),
            "kafka.brokers = \"127.0.0.1:19092\"    # default\n\
             kafka.linger_ms = 5                  # millgate.toml:4\n\
             worker.queues = [\"mail\", \"search\"]   # env MILLGATE_WORKER_QUEUES\n"
        );
    }

    #[test]
    fn json_has_key_value_and_origin() {
        let settings = [setting(
            &["kafka", "linger_ms"],
            5,
            Origin::Variable("KAFKA_LINGER_MS".into()),
        )];
        assert_eq!(
            serde_json::to_value(settings).ok(),
            Some(serde_json::json!([
                {"key": "kafka.linger_ms", "value": 5, "origin": "env KAFKA_LINGER_MS"}
            ]))
        );
    }

    #[test]
    fn a_value_takes_one_line() {
        assert_eq!(literal(&Value::from("a\n\"b\"")), r#""a\n\"b\"""#);
        let mut table = toml::Table::new();
        table.insert("a.b".into(), Value::from(vec![1, 2]));
        assert_eq!(literal(&Value::Table(table)), r#"{ "a.b" = [1, 2] }"#);
    }
}
