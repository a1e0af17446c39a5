//! One difference between a spec and what is there.

use std::{fmt, time::Duration};

use super::spec::{FOREVER, POLICY, RETENTION, TopicSpec};

/// One difference between a spec and what is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicChange {
    /// It is not there.
    Create(TopicSpec),
    /// It is not there, and should have more copies than there are brokers, each of which holds one at most.
    TooFewBrokers {
        /// As it should be.
        spec: TopicSpec,
        /// Brokers that are up.
        brokers: usize,
    },
    /// It has fewer partitions. Keys will move to other partitions.
    AddPartitions {
        /// Its name, without the prefix.
        name: String,
        /// What it has.
        from: usize,
        /// What it should have.
        to: usize,
    },
    /// It has more partitions than it should, which cannot be undone.
    TooManyPartitions {
        /// Its name, without the prefix.
        name: String,
        /// What it has.
        has: usize,
        /// What it should have.
        wants: usize,
    },
    /// It has more or fewer copies than it should. Only a reassignment changes that, which is the brokers' own tool's to do.
    Replicate {
        /// Its name, without the prefix.
        name: String,
        /// Copies of each partition.
        has: i32,
        /// What it should have.
        wants: i32,
    },
    /// A setting differs.
    Set {
        /// Its name, without the prefix.
        name: String,
        /// The setting, as Kafka names it.
        setting: &'static str,
        /// What it is.
        from: String,
        /// What it should be.
        to: String,
    },
    /// It should not be there any more.
    Remove {
        /// Its name, without the prefix.
        name: String,
    },
}

impl TopicChange {
    /// Whether [`TopicAdmin::apply`](super::TopicAdmin::apply) can make it, as far as one knows.
    pub fn can_be_applied(&self) -> bool {
        !matches!(self, Self::TooFewBrokers { .. } | Self::TooManyPartitions { .. } | Self::Replicate { .. })
    }

    /// Which records are gone for good once it is made; `None` if none are.
    pub fn loses(&self) -> Option<String> {
        match self {
            Self::Remove { .. } => Some("all records of the topic, and how far its readers are".into()),
            Self::Set { setting, from, to, .. } if *setting == POLICY && policies(from) != policies(to) => {
                match (policies(from), policies(to)) {
                    ((_, false), (_, true)) => {
                        Some("all records of a key but the newest; those without a key are refused".into())
                    }
                    ((false, _), (true, _)) => {
                        Some("records that are older than the retention, the newest of a key, too".into())
                    }
                    _ => None,
                }
            }
            Self::Set { setting, from, to, .. } if *setting == RETENTION && is_shorter(from, to) => {
                Some(format!("records that are older than {}", told(to)))
            }
            _ => None,
        }
    }
}

/// Whether old records are deleted, and whether all but the newest of a key are.
fn policies(text: &str) -> (bool, bool) {
    let has = |wanted| text.split(',').any(|name| name.trim() == wanted);
    (has("delete"), has("compact"))
}

fn is_shorter(from: &str, to: &str) -> bool {
    match (from.parse::<i64>(), to.parse::<i64>()) {
        (_, Ok(..0)) => false,
        (Ok(..0), Ok(_)) => true,
        (Ok(from), Ok(to)) => to < from,
        // What it is now is not known.
        _ => true,
    }
}

/// A retention as people say it.
fn told(milliseconds: &str) -> String {
    if milliseconds == FOREVER {
        return "for ever".into();
    }
    let time = milliseconds.parse().map(Duration::from_millis);
    time.map_or_else(|_| "?".to_owned(), |time| humantime_serde::re::humantime::format_duration(time).to_string())
}

impl fmt::Display for TopicChange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(spec) => {
                write!(out, "+ {}  partitions={} replication={}", spec.name, spec.partitions, spec.replication)?;
                spec.settings().try_for_each(|(name, value)| write!(out, " {name}={value}"))
            }
            Self::TooFewBrokers { spec: TopicSpec { name, replication, .. }, brokers } => write!(
                out,
                "! {name}  replication: {replication} wanted, brokers that are up: {brokers}; each copy needs one of its own, so \
                 that it cannot be created"
            ),
            Self::AddPartitions { name, from, to } => {
                write!(out, "~ {name}  partitions: {from} -> {to} (keys move to other partitions)")
            }
            Self::TooManyPartitions { name, has, wants } => {
                write!(out, "! {name}  partitions: {has}, wanted {wants}; Kafka cannot remove partitions")
            }
            Self::Replicate { name, has, wants } => write!(
                out,
                "! {name}  replication: {has}, wanted {wants}; copies are moved by Kafka's own kafka-reassign-partitions.sh"
            ),
            Self::Set { name, setting, from, to } if *setting == RETENTION => {
                write!(out, "~ {name}  {setting}: {from} -> {to} ({} -> {})", told(from), told(to))
            }
            Self::Set { name, setting, from, to } => write!(out, "~ {name}  {setting}: {from} -> {to}"),
            Self::Remove { name } => write!(out, "- {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loses(setting: &'static str, from: &str, to: &str) -> Option<String> {
        TopicChange::Set { name: "a".into(), setting, from: from.into(), to: to.into() }.loses()
    }

    #[test]
    fn what_loses_records_says_which() {
        assert_eq!(loses(RETENTION, "604800000", "86400000").unwrap(), "records that are older than 1day");
        assert_eq!(loses(RETENTION, "-1", "604800000").unwrap(), "records that are older than 7days");
        assert_eq!(loses(RETENTION, "86400000", "604800000"), None);
        assert_eq!(loses(RETENTION, "86400000", "-1"), None);
        assert!(loses(RETENTION, "", "86400000").is_some(), "what is not known may be longer");
        assert!(loses(POLICY, "delete", "compact").unwrap().contains("but the newest"));
        assert!(loses(POLICY, "compact", "delete").unwrap().contains("older than the retention"));
        assert_eq!(loses(POLICY, "compact,delete", "compact"), None);
        assert!(loses(POLICY, "compact", "compact, delete").is_some());
        assert_eq!(loses(super::super::spec::MIN_IN_SYNC, "1", "2"), None);
        assert!(TopicChange::Remove { name: "a".into() }.loses().unwrap().starts_with("all records"));
    }
}
