//! The `[http]` section: where a role answers questions about itself.

use serde::{Deserialize, Serialize};

/// Where metrics and health are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpConfig {
    /// `host:port`. Empty: nowhere. Port 0: any free one, which the log says.
    pub listen: String,
}

impl Default for HttpConfig {
    fn default() -> Self {
        // The first port that Prometheus' list has for exporters of OpenTelemetry. Nobody outside sees it.
        Self { listen: "127.0.0.1:9464".into() }
    }
}
