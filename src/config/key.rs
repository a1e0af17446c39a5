//! Keys: the path to a value, its name in the environment, and what resembles it.

use std::fmt;

use toml::{Table, Value};

/// The path to a value: `kafka.brokers`, or `topics."order.created".partitions`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(Vec<String>);

impl Key {
    /// The key that is written so, where no name has a dot in it.
    pub(super) fn of(dotted: &str) -> Self {
        Self(dotted.split('.').map(str::to_owned).collect())
    }

    /// The key of `name` within this one.
    pub(super) fn child(&self, name: &str) -> Self {
        Self(self.0.iter().cloned().chain([name.to_owned()]).collect())
    }

    /// The names from the outermost to the innermost.
    pub(super) fn names(&self) -> &[String] {
        &self.0
    }

    /// The innermost name.
    pub(super) fn last(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }

    /// What stands there in `table`.
    pub(super) fn get<'a>(&self, table: &'a Table) -> Option<&'a Value> {
        let (first, rest) = self.0.split_first()?;
        rest.iter().try_fold(table.get(first)?, |value, name| value.get(name))
    }

    /// Puts a value there, with the tables on the way.
    pub(super) fn put(&self, table: &mut Table, value: Value) {
        let Some((last, path)) = self.0.split_last() else { return };
        let mut table = table;
        for name in path {
            let inner = table.entry(name.as_str()).or_insert_with(|| Value::Table(Table::new()));
            let Value::Table(inner) = inner else { return };
            table = inner;
        }
        table.insert(last.clone(), value);
    }

    /// The variable that sets this value: `MILLGATE_KAFKA_BROKERS`.
    pub fn variable(&self) -> String {
        // What no variable's name may hold becomes `_`: `order.created` is ORDER_CREATED.
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        format!("MILLGATE_{}", self.0.join("_").chars().map(plain).collect::<String>())
    }
}

/// As TOML writes it: a name with a dot in it stands in quotes.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            let dot = if index > 0 { "." } else { "" };
            if !name.is_empty() && name.chars().all(is_bare) {
                write!(f, "{dot}{name}")?;
            } else {
                write!(f, "{dot}{name:?}")?;
            }
        }
        Ok(())
    }
}

/// Whether a name with this character in it needs no quotes in TOML.
pub(super) fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

/// Below this, a name is not what somebody meant; it would only mislead.
const LIKENESS: f64 = 0.75;

/// Which of the candidates somebody who wrote `wanted` most likely meant, if any.
pub(crate) fn nearest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |name: &str| name.to_lowercase().replace(['-', '.'], "_");
    let likeness = |name: &str| strsim::jaro_winkler(&plain(wanted), &plain(name));
    let near = candidates.into_iter().map(|name| (likeness(name), name)).filter(|near| near.0 >= LIKENESS);
    near.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_written_as_toml_does_and_has_a_variable() {
        assert_eq!(Key::of("kafka.brokers").to_string(), "kafka.brokers");
        let partitions = Key::of("topics").child("order.created").child("partitions");
        assert_eq!(partitions.to_string(), "topics.\"order.created\".partitions");
        assert_eq!(partitions.variable(), "MILLGATE_TOPICS_ORDER_CREATED_PARTITIONS");
    }
}
