//! The `[relay]` section.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How events come from the outbox to Kafka.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RelayConfig {
    /// Most events taken at a time.
    pub batch_size: u32,
    /// How often it looks when nothing wakes it; a relay that stands by looks as often whether it is needed.
    #[serde(with = "humantime_serde")]
    pub poll_interval: Duration,
    /// An event that Kafka refuses so many times is dead, and its key waits for people.
    pub max_attempts: u32,
    /// Rows of the inbox are forgotten after so long: longer than a job may come again.
    #[serde(with = "humantime_serde")]
    pub inbox_retention: Duration,
}

impl Default for RelayConfig {
    fn default() -> Self {
        Self {
            batch_size: 2_000,
            poll_interval: Duration::from_secs(1),
            max_attempts: 10,
            inbox_retention: Duration::from_hours(30 * 24),
        }
    }
}
