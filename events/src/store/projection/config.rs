//! The `[projections]` section.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How projections follow the event store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProjectionConfig {
    /// Most events in one transaction.
    pub batch_size: u32,
    /// How often it looks when nothing wakes it; one that stands by looks as often whether it is needed.
    #[serde(with = "humantime_serde")]
    pub poll_interval: Duration,
}

impl Default for ProjectionConfig {
    fn default() -> Self {
        Self { batch_size: 1_000, poll_interval: Duration::from_secs(1) }
    }
}
