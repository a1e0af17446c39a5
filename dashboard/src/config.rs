//! The `[dashboard]` section.

use serde::{Deserialize, Serialize};

/// Where the dashboard is, and who may look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DashboardConfig {
    /// `host:port`. Port 0: any free one, which the log says.
    pub listen: String,
    /// The path that it is mounted under behind a proxy: `/millgate`. Empty: at the root.
    pub path: String,
}

impl Default for DashboardConfig {
    fn default() -> Self {
        Self { listen: "127.0.0.1:8088".into(), path: String::new() }
    }
}
