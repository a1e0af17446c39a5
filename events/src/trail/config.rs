//! The `[trail]` section.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What is noted of each event's life, and for how long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrailConfig {
    /// Notes are kept for so long. Zero: nothing is noted.
    #[serde(with = "humantime_serde")]
    pub keep: Duration,
    /// The share of stories that is noted, by their correlation ids, so that a story is there whole or not at all. What
    /// fails is noted always.
    pub sample: f64,
    /// Most notes that wait for the database, in each process; when there are more, they are dropped and counted.
    pub buffer: usize,
}

impl Default for TrailConfig {
    fn default() -> Self {
        Self { keep: Duration::from_hours(7 * 24), sample: 1.0, buffer: 20_000 }
    }
}
