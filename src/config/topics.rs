//! The `[topics]` section: how topics are created, and which differ from the rest.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use toml::Table;

use super::Retention;

/// How topics are created: three defaults, and a table for each topic that differs.
///
/// ```toml
/// [topics]
/// partitions = 6
///
/// [topics."order.created"]
/// partitions = 24
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TopicsConfig {
    /// Partitions of a topic that does not say otherwise.
    pub partitions: u32,
    /// Brokers that each hold a copy of it.
    pub replication: u32,
    /// How long its records are kept.
    pub retention: Retention,
    /// The topics that differ, by name, without `kafka.topic_prefix`.
    #[serde(flatten)]
    pub by_name: BTreeMap<String, TopicConfig>,
}

impl Default for TopicsConfig {
    fn default() -> Self {
        Self {
            partitions: 6,
            replication: 1,
            retention: Retention::For(Duration::from_hours(7 * 24)),
            by_name: BTreeMap::new(),
        }
    }
}

/// In what one topic differs from the others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TopicConfig {
    /// Its partitions.
    pub partitions: Option<u32>,
    /// Brokers that each hold a copy of it.
    pub replication: Option<u32>,
    /// How long its records are kept.
    pub retention: Option<Retention>,
    /// Keep the newest record of each key, whatever its age.
    pub compaction: Option<bool>,
    /// Copies that have to be up to date for a record to be acked; the brokers' own setting if left out.
    pub min_insync_replicas: Option<u32>,
}

/// How one topic is to be created, defaults filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicSettings {
    /// Its partitions.
    pub partitions: u32,
    /// Brokers that each hold a copy of it.
    pub replication: u32,
    /// How long its records are kept; `None`: forever.
    pub retention: Option<Duration>,
    /// Keep the newest record of each key, whatever its age.
    pub compaction: bool,
    /// Copies that have to be up to date for a record to be acked; the brokers' own setting if `None`.
    pub min_insync_replicas: Option<u32>,
}

impl TopicsConfig {
    /// How the topic of this name is to be created.
    pub fn settings_of(&self, topic: &str) -> TopicSettings {
        let own = self.by_name.get(topic);
        TopicSettings {
            partitions: own.and_then(|t| t.partitions).unwrap_or(self.partitions),
            replication: own.and_then(|t| t.replication).unwrap_or(self.replication),
            retention: own.and_then(|t| t.retention).unwrap_or(self.retention).time(),
            compaction: own.and_then(|t| t.compaction).unwrap_or(false),
            min_insync_replicas: own.and_then(|t| t.min_insync_replicas),
        }
    }
}

/// All that a topic's own table can say. Its fields have no defaults, so their types are said here.
pub(super) fn example() -> Table {
    toml::toml! {
        partitions = 6
        replication = 1
        retention = "7days"
        compaction = false
        min_insync_replicas = 1
    }
}
