//! The `[audit]` section: what becomes of old entries.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// For how long the audit log is kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditConfig {
    /// `millgate audit expire` drops months that ended longer ago than this; zero: none.
    #[serde(with = "humantime_serde")]
    pub keep: Duration,
}
