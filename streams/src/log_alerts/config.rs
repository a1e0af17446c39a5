//! The `[log_alerts]` section: when somebody is told that a service logs errors, and who.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// When somebody is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogAlertConfig {
    /// So many errors of one service
    pub threshold: u64,
    /// within this time are too many.
    #[serde(with = "humantime_serde")]
    pub window: Duration,
    /// For so long after that nobody is told of the same service again.
    #[serde(with = "humantime_serde")]
    pub again_after: Duration,
    /// Who is mailed. Empty: nobody.
    pub to: String,
    /// The URL that it is posted to. Empty: none.
    pub webhook: String,
    /// Name of the secret in `webhook.secrets` that it is signed with.
    pub webhook_secret: String,
}

impl Default for LogAlertConfig {
    fn default() -> Self {
        Self {
            threshold: 50,
            window: Duration::from_mins(5),
            again_after: Duration::from_hours(1),
            to: String::new(),
            webhook: String::new(),
            webhook_secret: String::new(),
        }
    }
}
