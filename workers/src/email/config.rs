//! The `[smtp]` section: how mail leaves.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// How to reach the mail server, and as whom to write.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SmtpConfig {
    /// `smtp://[user:password@]host[:port]`, with `?tls=required` (STARTTLS) or
    /// `?tls=opportunistic`; `smtps://` for TLS from the first byte.
    pub url: String,
    /// The From header: `Shop <shop@example.org>`.
    pub from: String,
    /// Connections kept open at most.
    pub pool_size: u32,
    /// A step of the SMTP dialogue that takes longer has failed.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Folder of templates that replace the built-in ones. Empty: the built-in ones.
    pub templates: String,
}

impl Default for SmtpConfig {
    fn default() -> Self {
        Self {
            url: "smtp://127.0.0.1:11025".into(),
            from: "Millgate Shop <shop@millgate.example>".into(),
            pool_size: 8,
            timeout: Duration::from_secs(10),
            templates: String::new(),
        }
    }
}

/// Without the URL, which may hold a password.
impl fmt::Debug for SmtpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpConfig")
            .field("from", &self.from)
            .field("pool_size", &self.pool_size)
            .field("timeout", &self.timeout)
            .field("templates", &self.templates)
            .finish_non_exhaustive()
    }
}
