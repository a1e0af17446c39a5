//! A topic: as it should be, as it is.

use std::time::Duration;

use rdkafka::metadata::MetadataTopic;

/// How a topic should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name, without the prefix.
    pub name: String,
    /// Partitions; a topic can gain some, and never lose any.
    pub partitions: usize,
    /// Copies of each partition. Only for topics that are created.
    pub replication: i32,
    /// How long records are kept; `None` keeps them for ever.
    pub retention: Option<Duration>,
    /// Keep the latest record of each key instead of deleting by age.
    pub compaction: bool,
    /// Copies that have to be up to date for a record to be acked; `None` leaves it as it is, or to the brokers.
    pub min_insync_replicas: Option<u32>,
}

impl TopicSpec {
    /// Settings, as Kafka names them.
    pub(super) fn settings(&self) -> impl Iterator<Item = (&'static str, String)> {
        let retention = match self.retention {
            Some(time) => time.as_millis().to_string(),
            None => FOREVER.to_owned(),
        };
        let policy = if self.compaction { "compact" } else { "delete" };
        let in_sync = self.min_insync_replicas.map(|least| (MIN_IN_SYNC, least.to_string()));
        [(RETENTION, retention), (POLICY, policy.to_owned())].into_iter().chain(in_sync)
    }
}

pub(super) const RETENTION: &str = "retention.ms";
pub(super) const POLICY: &str = "cleanup.policy";
pub(super) const MIN_IN_SYNC: &str = "min.insync.replicas";

/// As a retention.
pub(super) const FOREVER: &str = "-1";

/// A topic that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name, as Kafka has it.
    pub name: String,
    /// Its partitions.
    pub partitions: usize,
    /// Copies of each partition: of that one that has the fewest.
    pub replication: i32,
}

impl Topic {
    pub(super) fn of(topic: &MetadataTopic) -> Self {
        let copies = topic.partitions().iter().map(|partition| partition.replicas().len()).min().unwrap_or_default();
        Self {
            name: topic.name().to_owned(),
            partitions: topic.partitions().len(),
            replication: i32::try_from(copies).unwrap_or(i32::MAX),
        }
    }
}
