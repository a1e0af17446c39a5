//! Webhooks: events that are posted to a URL, signed as [Standard Webhooks](https://www.standardwebhooks.com) says.
//!
//! Nothing of this machine's own network is called unless the configuration allows it, redirects are not followed, and a
//! host that fails is left alone for a while.

mod client;
mod config;
mod job;
mod message;
mod network;
mod resolver;
mod signature;

pub use client::Webhooks;
pub use config::{WebhookConfig, WebhookError};
pub use job::{Webhook, send_webhook};
