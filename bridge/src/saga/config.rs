//! The `[saga]` section.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How sagas are driven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SagaConfig {
    /// How often it is looked whether a timer is due: a step times out at most this much too late.
    #[serde(with = "humantime_serde")]
    pub poll_interval: Duration,
    /// Most replies taken off a partition at a time.
    pub batch_size: usize,
    /// Offsets are committed at most this often.
    #[serde(with = "humantime_serde")]
    pub commit_interval: Duration,
    /// Replies to sagas that nobody knows are kept for so long.
    #[serde(with = "humantime_serde")]
    pub parked_retention: Duration,
}

impl Default for SagaConfig {
    fn default() -> Self {
        Self {
            poll_interval: Duration::from_millis(200),
            batch_size: 200,
            commit_interval: Duration::from_secs(1),
            parked_retention: Duration::from_hours(7 * 24),
        }
    }
}
