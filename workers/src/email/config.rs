//! The `[smtp]` section: how mail leaves.

use std::{collections::BTreeMap, fmt, time::Duration};

use millgate_events::Size;
use serde::{Deserialize, Serialize};

use super::DomainLimit;

/// How to reach the mail server, and as whom to write.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SmtpConfig {
    /// `smtp://[user:password@]host[:port]`, with `?tls=required` (STARTTLS) or
    /// `?tls=opportunistic`; `smtps://` for TLS from the first byte. `file:///folder` sends nothing: each mail becomes a
    /// file there.
    pub url: String,
    /// The From header: `Shop <shop@example.org>`.
    pub from: String,
    /// Connections kept open at most.
    pub pool_size: u32,
    /// A step of the SMTP dialogue that takes longer has failed.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// File of CA certificates (PEM) that the server's is checked against, beside the system's. Empty: only the
    /// system's.
    pub ca_file: String,
    /// Folder of templates that replace the built-in ones. Empty: the built-in ones.
    pub templates: String,
    /// Folder that attachments of the form `file:name` lie in. Empty: there are none.
    pub attachments: String,
    /// The most that one attachment may have.
    pub attachment_max: Size,
    /// Where one unsubscribes, with `{address}` for the recipient: `https://shop.example/unsubscribe?address={address}`, or
    /// a `mailto:`. Empty: mails say nothing of that.
    pub unsubscribe: String,
    /// Domains that take only so many mails.
    pub domains: BTreeMap<String, DomainLimit>,
}

impl Default for SmtpConfig {
    fn default() -> Self {
        Self {
            url: "smtp://127.0.0.1:11025".into(),
            from: "Millgate Shop <shop@millgate.example>".into(),
            pool_size: 8,
            timeout: Duration::from_secs(10),
            ca_file: String::new(),
            templates: String::new(),
            attachments: String::new(),
            attachment_max: Size::of(10 << 20),
            unsubscribe: String::new(),
            domains: BTreeMap::new(),
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
            .field("ca_file", &self.ca_file)
            .field("templates", &self.templates)
            .field("attachments", &self.attachments)
            .field("attachment_max", &self.attachment_max)
            .field("unsubscribe", &self.unsubscribe)
            .field("domains", &self.domains)
            .finish_non_exhaustive()
    }
}
