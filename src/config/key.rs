//! Keys: the path to a value, its name in the environment, and what resembles it.

use std::fmt;

/// The path to a value: `kafka.brokers`, or `topics."order.created".partitions`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Vec<String>);

impl Key {
    /// The key of a whole section.
    pub(super) fn section(name: &str) -> Self {
        Self(vec![name.to_owned()])
    }

    /// The key of `name` within this one.
    pub(super) fn child(&self, name: &str) -> Self {
        let mut segments = self.0.clone();
        segments.push(name.to_owned());
        Self(segments)
    }

    /// The names from the outermost to the innermost.
    pub fn segments(&self) -> &[String] {
        &self.0
    }

    /// The innermost name.
    pub fn last(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }

    /// The key that this one stands in.
    pub(super) fn parent(&self) -> Self {
        let end = self.0.len().saturating_sub(1);
        Self(self.0.iter().take(end).cloned().collect())
    }

    /// Whether this is `table`, or a key in it.
    pub(super) fn is_within(&self, table: &Self) -> bool {
        self.0.starts_with(&table.0)
    }

    /// The variable that overrides this value: `MILLGATE_KAFKA_BROKERS`.
    pub fn variable(&self) -> String {
        let mut name = String::from("MILLGATE");
        for segment in &self.0 {
            name.push('_');
            // What no variable's name may hold becomes `_`: `order.created` is ORDER_CREATED.
            name.extend(segment.chars().map(|c| {
                if c.is_ascii_alphanumeric() {
                    c.to_ascii_uppercase()
                } else {
                    '_'
                }
            }));
        }
        name
    }
}

impl From<&[&str]> for Key {
    fn from(segments: &[&str]) -> Self {
        Self(segments.iter().map(|&segment| segment.into()).collect())
    }
}

/// As TOML writes it: a name with a dot in it stands in quotes.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            let bare = !segment.is_empty()
                && segment
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
            if bare {
                f.write_str(segment)?;
            } else {
                write!(f, "{segment:?}")?;
            }
        }
        Ok(())
    }
}

/// Below this, a name is not what somebody meant; it would only mislead.
const LIKENESS: f64 = 0.6;

/// Which of the candidates somebody who wrote `wanted` most likely meant, if any.
pub(super) fn nearest<'a>(
    wanted: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (likeness(wanted, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= LIKENESS)
        // The first of equals, in the order of declaration.
        .fold(None, |best: Option<(f64, &str)>, next| match best {
            Some(best) if best.0 >= next.0 => Some(best),
            _ => Some(next),
        })
        .map(|(_, candidate)| candidate)
}

/// From 0 (nothing in common) to 1 (the same but for case and dashes).
fn likeness(a: &str, b: &str) -> f64 {
    let a = a.to_lowercase().replace(['-', '.'], "_");
    let b = b.to_lowercase().replace(['-', '.'], "_");
    let likeness = strsim::normalized_damerau_levenshtein(&a, &b);
    // `pool` for `pool_size`, `timeout` for `response_timeout`: far by edits, yet plainly meant.
    let shorter = a.len().min(b.len());
    if shorter >= 3 && (a.contains(&b) || b.contains(&a)) {
        likeness.max(LIKENESS + 0.1 * likeness)
    } else {
        likeness
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_shown_as_toml_writes_it() {
        assert_eq!(
            Key::from(&["kafka", "brokers"][..]).to_string(),
            "kafka.brokers"
        );
        assert_eq!(
            Key::section("topics")
                .child("order.created")
                .child("partitions")
                .to_string(),
            "topics.\"order.created\".partitions"
        );
    }

    #[test]
    fn a_key_has_a_variable() {
        let key = Key::section("topics")
            .child("order.created")
            .child("partitions");
        assert_eq!(key.variable(), "MILLGATE_TOPICS_ORDER_CREATED_PARTITIONS");
        assert_eq!(
            Key::from(&["my-shop", "reminder_delay"][..]).variable(),
            "MILLGATE_MY_SHOP_REMINDER_DELAY"
        );
    }

    #[test]
    fn the_nearest_name_is_found() {
        let names = ["brokers", "batch_size", "retry_interval", "pool_size"];
        let near = |wanted| nearest(wanted, names);
        assert_eq!(near("broker"), Some("brokers"));
        assert_eq!(near("borkers"), Some("brokers"));
        assert_eq!(near("batch-size"), Some("batch_size"));
        assert_eq!(near("BatchSize"), Some("batch_size"));
        assert_eq!(near("pool"), Some("pool_size"));
        assert_eq!(near("colour"), None);
    }
}
