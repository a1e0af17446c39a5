//! `topics.yaml`: topics as code, those of the application and others.

use std::{collections::BTreeMap, fmt::Write, path::Path};

use anyhow::Context;
use millgate_events::TopicSpec;
use serde::Deserialize;
use serde_saphyr::{Error, Spanned};

use crate::config::{Retention, TopicsConfig, retention::NO_RETENTION};

/// What a file says, defaults filled in.
#[derive(Debug, Default)]
pub(crate) struct TopicsFile {
    /// Topics that should be there.
    pub(crate) topics: Vec<TopicSpec>,
    /// Topics that should not.
    pub(crate) removed: Vec<String>,
}

/// What is said of one topic. What is not said is as in the section `[topics]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Entry {
    partitions: Option<Spanned<u32>>,
    replication: Option<Spanned<u32>>,
    retention: Option<Retention>,
    compaction: Option<bool>,
    min_insync_replicas: Option<Spanned<u32>>,
    remove: bool,
}

/// What is wrong, and where.
#[derive(Debug)]
struct Wrong(u64, String);

impl TopicsFile {
    pub(crate) fn read(path: &Path, defaults: &TopicsConfig) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
        Self::parse(&text, defaults).map_err(|wrong| {
            let mut told = String::new();
            for Wrong(line, reason) in wrong {
                // Writing to a text cannot fail.
                let _ = write!(told, "\n  {}:{line}: {reason}", path.display());
            }
            anyhow::anyhow!("the topics cannot be read:{told}")
        })
    }

    fn parse(text: &str, defaults: &TopicsConfig) -> Result<Self, Vec<Wrong>> {
        let entries: BTreeMap<String, Option<Spanned<Entry>>> = serde_saphyr::from_str(text).map_err(|error| {
            let line = error.location().map_or(1, |location| location.line());
            vec![Wrong(line, told(error.without_snippet()))]
        })?;
        let (mut file, mut wrong) = (Self::default(), Vec::new());
        for (name, entry) in entries {
            let line = entry.as_ref().map_or(1, |entry| entry.defined.line());
            if let Some(reason) = no_name(&name) {
                wrong.push(Wrong(line, reason));
            }
            let entry = entry.map(|entry| entry.value).unwrap_or_default();
            if entry.remove {
                if entry.says_how() {
                    wrong.push(Wrong(line, format!("{name} is to be removed: nothing else can be said of it")));
                }
                file.removed.push(name);
                continue;
            }
            entry.check(&name, defaults, &mut wrong);
            file.topics.push(entry.spec(name, defaults));
        }
        if wrong.is_empty() { Ok(file) } else { Err(wrong) }
    }
}

impl Entry {
    /// Whether anything is said of how the topic is to be.
    fn says_how(&self) -> bool {
        let numbers = [&self.partitions, &self.replication, &self.min_insync_replicas];
        numbers.iter().any(|number| number.is_some()) || self.retention.is_some() || self.compaction.is_some()
    }

    fn check(&self, name: &str, defaults: &TopicsConfig, wrong: &mut Vec<Wrong>) {
        for (what, value) in [("partitions", &self.partitions), ("replication", &self.replication)] {
            if let Some(value) = value.as_ref().filter(|value| value.value == 0) {
                wrong.push(Wrong(value.defined.line(), format!("{name} has at least 1 of {what}")));
            }
        }
        let copies = self.replication.as_ref().map_or(defaults.settings_of(name).replication, |copies| copies.value);
        if let Some(least) = self.min_insync_replicas.as_ref().filter(|least| least.value == 0 || least.value > copies)
        {
            let reason = format!(
                "{name}: min_insync_replicas is 1 to {copies}, the copies there are; with {} nothing could be published",
                least.value
            );
            wrong.push(Wrong(least.defined.line(), reason));
        }
    }

    fn spec(self, name: String, defaults: &TopicsConfig) -> TopicSpec {
        let default = defaults.settings_of(&name);
        let of = |own: Option<Spanned<u32>>, default: u32| own.map_or(default, |own| own.value);
        TopicSpec {
            name,
            partitions: of(self.partitions, default.partitions) as usize,
            replication: i32::try_from(of(self.replication, default.replication)).unwrap_or(i32::MAX),
            retention: self.retention.map_or(default.retention, Retention::time),
            compaction: self.compaction.unwrap_or(default.compaction),
            min_insync_replicas: self.min_insync_replicas.map(|own| own.value).or(default.min_insync_replicas),
        }
    }
}

/// What YAML's reader found, in words of topics. The place is told as ours are, in front.
fn told(error: &Error) -> String {
    match error {
        Error::DuplicateMappingKey { key, .. } => {
            format!("`{}` is here a second time; say all of it in one place", key.as_deref().unwrap_or("the same"))
        }
        Error::InvalidScalar { ty: "boolean", .. } => format!("expected true or false; {INDENTED}"),
        Error::InvalidScalar { ty, .. } if ty.starts_with(['i', 'u']) => {
            format!("expected a whole number, 1 or more; {INDENTED}")
        }
        Error::Unexpected { expected: "mapping start", .. } => {
            "expected a topic's name and a colon, or below it its settings: `order.created:`, and indented in the next \
             line `partitions: 6`"
                .to_owned()
        }
        Error::SerdeUnknownField { field, expected, .. } => {
            format!("`{field}` is no setting of a topic; there are: {}", expected.join(", "))
        }
        other => {
            let words = other.to_string();
            let words = words.split_once(" at line ").map_or(words.as_str(), |(words, _)| words);
            let words = words.strip_prefix("error: ").unwrap_or(words);
            // Ours already.
            if words.contains(NO_RETENTION) {
                return words.to_owned();
            }
            format!("this is not understood: {words}; {INDENTED}")
        }
    }
}

/// What a mistake may also come from.
const INDENTED: &str = "a setting has a line of its own, and all of a topic are indented by the same";

/// Why Kafka would not take the name.
fn no_name(name: &str) -> Option<String> {
    let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
    if name.is_empty() || name.len() > 249 || name == "." || name == ".." || !name.chars().all(is_allowed) {
        return Some(format!("`{name}` is no topic: 1 to 249 letters, digits, dots, underscores and hyphens"));
    }
    None
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn wrong(text: &str) -> Vec<String> {
        let wrong = TopicsFile::parse(text, &TopicsConfig::default()).unwrap_err();
        wrong.into_iter().map(|Wrong(line, reason)| format!("{line}: {reason}")).collect()
    }

    #[test]
    fn the_sample_says_what_it_seems_to() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("ops/topics.yaml");
        let file = TopicsFile::read(&path, &TopicsConfig::default()).unwrap();
        let find = |name: &str| file.topics.iter().find(|topic| topic.name == name).unwrap();
        assert_eq!(file.topics.len(), 8);
        let users = find("user.events");
        assert_eq!((users.partitions, users.replication, users.min_insync_replicas), (10, 3, Some(2)));
        assert_eq!(users.retention, Some(Duration::from_hours(30 * 24)));
        assert!(find("dbserver1.public.users").compaction && !users.compaction);
        assert_eq!(find("audit-logs").retention, Some(Duration::from_hours(365 * 24)));
    }

    #[test]
    fn what_is_not_said_is_as_configured() {
        let file =
            TopicsFile::parse("a:\nb:\n  retention: forever\nc:\n  remove: true\n", &TopicsConfig::default()).unwrap();
        assert_eq!((file.topics[0].partitions, file.topics[0].retention), (6, Some(Duration::from_hours(7 * 24))));
        assert_eq!(file.topics[1].retention, None);
        assert_eq!(file.removed, ["c"]);
    }

    #[test]
    fn mistakes_are_told_with_their_lines() {
        let text = "a:\n  partitions: 3\n  replication: 2\n  min_insync_replicas: 3\nb c:\n  partitions: 0\n";
        let told = [
            "4: a: min_insync_replicas is 1 to 2, the copies there are; with 3 nothing could be published",
            "6: `b c` is no topic: 1 to 249 letters, digits, dots, underscores and hyphens",
            "6: b c has at least 1 of partitions",
        ];
        assert_eq!(wrong(text), told);
        assert!(wrong("a:\n  retention: 0s\n")[0].contains("`0s` is no retention"));
        let retention = wrong("a:\n  partitions: 3\n  retention: 30 dys\n");
        assert!(retention[0].starts_with("3: ") && retention[0].contains("`30 dys` is no retention"), "{retention:?}");
        let word = wrong("a:\n  partitons: 3\n");
        assert!(word[0].starts_with("2: `partitons` is no setting of a topic; there are: partitions, "), "{word:?}");
        for (text, told) in [
            ("a:\n  partitions: 3\na:\n  partitions: 4\n", "3: `a` is here a second time; say all of it in one place"),
            ("a:\n  partitions: many\n", "2: expected a whole number, 1 or more; a setting has a line of its own"),
            ("a:\n  partitions: -3\n", "2: expected a whole number, 1 or more"),
            ("a:\n  partitions:\n  3\n    replication: 2\n", "3: this is not understood: "),
            ("a:\n  compaction: perhaps\n", "2: expected true or false"),
            ("- a\n- b\n", "1: expected a topic's name and a colon"),
            ("a: 3\n", "1: expected a topic's name and a colon, or below it its settings"),
            ("a:\n  partitions: 3\n   replication: 2\n", "2: expected a whole number, 1 or more"),
            ("a:\n\tpartitions: 3\n", "2: this is not understood: tabs"),
        ] {
            let wrong = wrong(text);
            assert!(wrong.len() == 1 && wrong[0].contains(told), "{text}: {wrong:?}");
            for word in ["invalid u32", "mapping start", "DuplicateKeyPolicy"] {
                assert!(!wrong[0].contains(word), "the library's own words: {wrong:?}");
            }
        }
    }

    #[test]
    fn of_a_topic_that_is_to_be_removed_nothing_else_is_said() {
        let settings =
            ["partitions: 3", "replication: 1", "retention: 1h", "compaction: true", "min_insync_replicas: 1"];
        for setting in settings {
            let told = wrong(&format!("a:\n  remove: true\n  {setting}\n"));
            assert!(told.len() == 1 && told[0].contains("a is to be removed: nothing else"), "{setting}: {told:?}");
        }
    }
}
