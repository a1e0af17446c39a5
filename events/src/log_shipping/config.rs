//! The `[log_shipping]` section: where log lines go beside standard error.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Size;

/// How log lines are shipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogShippingConfig {
    /// Whether they are.
    pub enabled: bool,
    /// What is shipped: a level, or directives as in `log.level`.
    pub level: String,
    /// The service that these lines are of. Empty: the application's name.
    pub service: String,
    /// The topic, without the prefix; `{service}` stands for the service.
    pub topic: String,
    /// Where lines of level `error` go as well. Empty: nowhere.
    pub error_topic: String,
    /// Bytes of lines that Kafka has not acknowledged, at most; more are dropped, and counted.
    pub buffer: Size,
    /// At the end of a process: for so long it is waited until Kafka has them.
    #[serde(with = "humantime_serde")]
    pub flush_timeout: Duration,
    /// Fields whose values are not shipped, by name, wherever they are.
    pub mask: Vec<String>,
}

impl Default for LogShippingConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            level: "info".into(),
            service: String::new(),
            topic: "logs-{service}-topic".into(),
            error_topic: "logs-error-topic".into(),
            buffer: Size::of(8 << 20),
            flush_timeout: Duration::from_secs(2),
            mask: ["password", "secret", "token", "authorization", "api_key"].map(str::to_owned).into(),
        }
    }
}

impl LogShippingConfig {
    /// The service, where the application has this name.
    pub fn service<'a>(&'a self, application: &'a str) -> &'a str {
        if self.service.is_empty() { application } else { &self.service }
    }

    /// The topics, without the prefix: that of all lines, and that of errors.
    pub fn topics(&self, application: &str) -> (String, Option<String>) {
        let named = |topic: &str| topic.replace("{service}", self.service(application));
        (named(&self.topic), Some(named(&self.error_topic)).filter(|topic| !topic.is_empty()))
    }
}
