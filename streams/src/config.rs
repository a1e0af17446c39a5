//! The `[streams]` section: how records are taken in by streams.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How streams take records in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StreamConfig {
    /// Most records of one partition in one transaction.
    pub batch_size: usize,
    /// Bytes of fetched records that a partition may hold in memory before it is paused.
    pub buffer_bytes: usize,
    /// Offsets are committed to Kafka at most this often. What counts is in PostgreSQL; Kafka's is for those who look at lag.
    #[serde(with = "humantime_serde")]
    pub commit_interval: Duration,
    /// On shutdown, or when a partition is taken away: how long a batch may still take.
    #[serde(with = "humantime_serde")]
    pub drain_timeout: Duration,
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self {
            batch_size: 2_000,
            buffer_bytes: 4 * 1024 * 1024,
            commit_interval: Duration::from_secs(1),
            drain_timeout: Duration::from_secs(10),
        }
    }
}
