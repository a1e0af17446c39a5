//! What a process says of itself.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A process of millgate, as it described itself. All times are by the clock of Redis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// Its id, new with each start.
    pub id: String,
    /// What it runs: `bridge`, `worker`, `scheduler`, `relay`, `streams`, `dashboard`.
    pub roles: Vec<String>,
    /// The application that it belongs to.
    pub application: String,
    /// The machine's name.
    pub host: String,
    /// Its number there.
    pub pid: u32,
    /// The version of millgate that it was built with.
    pub version: String,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// When it last said all this; known to Redis alone.
    #[serde(default)]
    pub reported_at: DateTime<Utc>,
    /// It was told to take no more jobs, and does not.
    #[serde(default)]
    pub quiet: bool,
    /// What it was told to do, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    /// The queues that it works on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queues: Vec<WorkedQueue>,
    /// The kinds of jobs that it can do, in any of these queues, with the newest version that it knows of each.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kinds: BTreeMap<String, u32>,
    /// The consumer groups that it hands off for, and those of its streams.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<BridgedGroup>,
    /// What is wrong now; the oldest of it, where it is much.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<Trouble>,
    /// How much more is wrong.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_troubles: usize,
}

/// A queue that a process works on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkedQueue {
    /// Its name.
    pub name: String,
    /// Most jobs in hand at a time.
    pub concurrency: usize,
    /// Jobs that run now.
    pub in_hand: u64,
    /// How much of its places was in use since it last reported: 0 to 1.
    pub utilisation: f64,
    /// When it last asked for jobs; nothing if it has not yet.
    pub last_fetch: Option<DateTime<Utc>>,
}

/// A consumer group that a process hands off for, or whose records it folds into tables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BridgedGroup {
    /// The consumer group, as Kafka names it.
    pub group: String,
    /// The partitions that are its own, by topic as Kafka names it.
    pub partitions: BTreeMap<String, Vec<i32>>,
    /// Events that it has handed off since it started; of a stream: records that are in its tables.
    pub handed_off: u64,
    /// The stream, if it is one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
}

/// Something that is wrong now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trouble {
    /// The topic that waits for it, as Kafka names it, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Its partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<i32>,
    /// The consumer group for which it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Since when.
    pub since: DateTime<Utc>,
    /// What it is, and what to do about it.
    pub text: String,
}

/// What an operator tells a process. The last one holds, for as long as the process is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Take no more jobs; finish those in hand, and stay.
    Quiet,
    /// Take jobs again.
    Resume,
    /// Stop, as by SIGTERM.
    Stop,
}

impl Order {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Resume => "resume",
            Self::Stop => "stop",
        }
    }

    /// An order of a later version is none.
    pub(crate) fn read(word: &str) -> Option<Self> {
        [Self::Quiet, Self::Resume, Self::Stop].into_iter().find(|order| order.word() == word)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}
