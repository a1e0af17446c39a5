//! The `[webhook]` section: how events are posted.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::{network::Networks, signature::Secrets};
use crate::BreakerConfig;

/// How webhooks are called.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookConfig {
    /// Secrets by name: `erp=whsec_…`. Of a name that is there twice both sign, as while a secret is replaced.
    pub secrets: Vec<String>,
    /// Addresses and networks that may be called although they are private: `10.1.0.0/16`, `127.0.0.1`.
    pub allow_networks: Vec<String>,
    /// No connection within this time is a failure.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// No whole answer within this time is a failure.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// When a host is left alone.
    pub breaker: BreakerConfig,
}

impl Default for WebhookConfig {
    fn default() -> Self {
        Self {
            secrets: Vec::new(),
            allow_networks: Vec::new(),
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(15),
            breaker: BreakerConfig::default(),
        }
    }
}

impl WebhookConfig {
    /// What is wrong with the secrets, without any of them.
    pub fn check_secrets(&self) -> Result<(), WebhookError> {
        Secrets::read(&self.secrets).map(drop)
    }

    /// What is wrong with the networks.
    pub fn check_networks(&self) -> Result<(), WebhookError> {
        Networks::read(&self.allow_networks).map(drop)
    }
}

/// Without the secrets.
impl fmt::Debug for WebhookConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookConfig")
            .field("allow_networks", &self.allow_networks)
            .field("connect_timeout", &self.connect_timeout)
            .field("timeout", &self.timeout)
            .field("breaker", &self.breaker)
            .finish_non_exhaustive()
    }
}

/// Why webhooks cannot be called as they are configured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// A secret that is none.
    #[error(
        "the {place}. of the secrets is no name=whsec_… with 24 to 64 bytes in base64; `echo whsec_$(openssl rand -base64 32)` makes one"
    )]
    Secret {
        /// Which of them, from 1. Its text may be the secret.
        place: usize,
    },
    /// A network that is none.
    #[error("`{0}` is neither an address nor a network like 10.1.0.0/16")]
    Network(String),
    /// The HTTP client cannot be set up.
    #[error("no HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}
