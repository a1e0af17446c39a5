//! The `[bridge]` section: how events are taken from Kafka and handed to the queues.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How the bridge takes events in and hands jobs off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BridgeConfig {
    /// Most events of one partition in one hand-off.
    pub batch_size: usize,
    /// Bytes of fetched events a partition may hold in memory before it is paused.
    pub buffer_bytes: usize,
    /// Offsets are committed at most this often; a restart repeats no more than this.
    #[serde(with = "humantime_serde")]
    pub commit_interval: Duration,
    /// On shutdown, or when a partition is taken away: how long a hand-off in progress may still take.
    #[serde(with = "humantime_serde")]
    pub drain_timeout: Duration,
    /// Topic for what cannot become a job.
    pub dead_letter_topic: String,
    /// Other topics for the dead letters of some domains, as `domain=topic`. A domain is the part of an event's type
    /// before its first dot, or the queue of a job that goes back to no event.
    pub dead_letter_topics: Vec<String>,
    /// How often it is looked whether Redis still has what was handed off.
    #[serde(with = "humantime_serde")]
    pub watermark_check_interval: Duration,
    /// What to do when Redis has lost everything.
    pub when_redis_is_empty: WhenRedisIsEmpty,
    /// For `rewind`: events of so long ago are handed off again.
    #[serde(with = "humantime_serde")]
    pub rewind_by: Duration,
}

/// What to do when a queue knows nothing of events that were handed off to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhenRedisIsEmpty {
    /// The partition waits until somebody says how to go on.
    #[default]
    Halt,
    /// The events of the last while are handed off again.
    Rewind,
    /// What was lost is lost.
    GoOn,
}

impl Default for BridgeConfig {
    fn default() -> Self {
        Self {
            batch_size: 500,
            buffer_bytes: 1024 * 1024,
            commit_interval: Duration::from_secs(1),
            drain_timeout: Duration::from_secs(10),
            dead_letter_topic: "dead-letter-queue".into(),
            dead_letter_topics: Vec::new(),
            watermark_check_interval: Duration::from_secs(5),
            when_redis_is_empty: WhenRedisIsEmpty::default(),
            rewind_by: Duration::from_hours(1),
        }
    }
}
