//! The `[schema_registry]` section: where schemas are, and which topics are written by them.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// How to reach a schema registry that speaks Confluent's API, and what it is used for.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SchemaRegistryConfig {
    /// `https://registry:8081`; several with commas, of which the first that answers counts. Empty: there is none.
    pub url: String,
    /// User name, or API key. Empty: none.
    pub username: String,
    /// Its password, or API secret.
    pub password: String,
    /// A bearer token, in place of a user. Empty: none.
    pub token: String,
    /// File of CA certificates (PEM) to trust beside the system's. Empty: none.
    pub ssl_ca_file: String,
    /// For an answer of the registry.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// For so long the newest schema of a topic counts as such, before it is asked for again. A schema by its id is kept for ever.
    #[serde(with = "humantime_serde")]
    pub latest_for: Duration,
    /// Event types of records that do not say theirs, by the full name of their schema: `com.shop.OrderPlaced=order.placed`.
    pub types: Vec<String>,
    /// Topics that are written in the wire format: `order.created=json-schema`, by the schema of the event's type, which is
    /// registered; or `order.created=latest`, by the newest schema that the registry has for the topic. Without
    /// `kafka.topic_prefix`.
    pub topics: Vec<String>,
}

impl Default for SchemaRegistryConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            username: String::new(),
            password: String::new(),
            token: String::new(),
            ssl_ca_file: String::new(),
            timeout: Duration::from_secs(5),
            latest_for: Duration::from_mins(1),
            types: Vec::new(),
            topics: Vec::new(),
        }
    }
}

/// Without what it takes to log in.
impl fmt::Debug for SchemaRegistryConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, timeout, latest_for, types, topics, .. } = self;
        f.debug_struct("SchemaRegistryConfig")
            .field("url", url)
            .field("timeout", timeout)
            .field("latest_for", latest_for)
            .field("types", types)
            .field("topics", topics)
            .finish_non_exhaustive()
    }
}

/// By which schema the values of a topic are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// That of the event's type, as JSON Schema.
    JsonSchema,
    /// The newest that the registry has for the topic, of whatever kind.
    Latest,
}

impl SchemaRegistryConfig {
    /// What is wrong with `types`, if anything is.
    pub fn check_types(&self) -> Result<(), String> {
        self.named_types().map(drop)
    }

    /// What is wrong with `topics`, if anything is.
    pub fn check_topics(&self) -> Result<(), String> {
        self.written_topics().map(drop)
    }

    /// Pairs of a schema's full name and an event type.
    pub(super) fn named_types(&self) -> Result<Vec<(String, String)>, String> {
        let pairs = self.types.iter().map(|entry| {
            let (schema, event) = pair(entry).ok_or_else(|| format!("{entry:?} is no schema.Name=event.type"))?;
            Ok((schema.to_owned(), event.to_owned()))
        });
        pairs.collect()
    }

    /// Pairs of a topic and how it is written.
    pub(super) fn written_topics(&self) -> Result<Vec<(String, Written)>, String> {
        let pairs = self.topics.iter().map(|entry| {
            let (topic, written) =
                pair(entry).ok_or_else(|| format!("{entry:?} is no topic=json-schema or topic=latest"))?;
            let written = match written {
                "json-schema" => Written::JsonSchema,
                "latest" => Written::Latest,
                other => return Err(format!("{topic} is written as `json-schema` or `latest`, not as {other:?}")),
            };
            Ok((topic.to_owned(), written))
        });
        pairs.collect()
    }
}

fn pair(entry: &str) -> Option<(&str, &str)> {
    let (name, value) = entry.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    (!name.is_empty() && !value.is_empty()).then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_pairs_and_nothing_else() {
        let config = |types: &[&str], topics: &[&str]| SchemaRegistryConfig {
            types: types.iter().map(ToString::to_string).collect(),
            topics: topics.iter().map(ToString::to_string).collect(),
            ..SchemaRegistryConfig::default()
        };
        let good = config(&["com.shop.Placed = order.placed"], &["orders=latest", "a.b = json-schema"]);
        assert_eq!(good.named_types().unwrap(), [("com.shop.Placed".to_owned(), "order.placed".to_owned())]);
        assert_eq!(
            good.written_topics().unwrap(),
            [("orders".to_owned(), Written::Latest), ("a.b".to_owned(), Written::JsonSchema)]
        );
        for wrong in ["orders", "=latest", "orders=", "orders=avro"] {
            assert!(config(&[], &[wrong]).check_topics().is_err(), "{wrong}");
        }
        assert!(config(&["com.shop.Placed"], &[]).check_types().is_err());
    }

    #[test]
    fn nothing_that_logs_in_is_printed() {
        let secret = || "hunter2".to_owned();
        let config = SchemaRegistryConfig {
            username: secret(),
            password: secret(),
            token: secret(),
            ..SchemaRegistryConfig::default()
        };
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
