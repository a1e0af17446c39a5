//! The `[claim_check]` section: where large values go.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Size;

/// Which values lie in a store and not in Kafka, and where that is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClaimConfig {
    /// `file:///folder` or `s3://bucket/prefix`. Empty: none, and every value goes by Kafka.
    ///
    /// None by default: a folder that only the producer has would take values that no consumer finds.
    pub store: String,
    /// Larger values go to the store.
    pub limit: Size,
    /// Larger ones still are refused, on the way in as on the way out.
    pub max: Size,
    /// How long values are kept: longer than any record that refers to them.
    #[serde(with = "humantime_serde")]
    pub expire: Duration,
}

impl Default for ClaimConfig {
    fn default() -> Self {
        Self {
            store: String::new(),
            // A topic takes records of 1 MiB, and clients requests of 1 MB, keys and headers included.
            limit: Size::of(900_000),
            max: Size::of(32 * 1024 * 1024),
            expire: Duration::from_hours(14 * 24),
        }
    }
}
