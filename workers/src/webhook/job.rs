//! The job kind `webhook`.

use std::time::Duration;

use millgate_jobs::{Backoff, Job, Lane};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Webhooks;
use crate::{Ctx, Done, JobError, State};

/// Calls to one host that run at a time in the whole cluster, unless the job says otherwise.
const AT_MOST: u32 = 8;

/// Posts an event to a URL, signed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Webhook {
    /// Where to: `https://erp.example.org/payments`.
    pub url: String,
    /// Name of the secret in `webhook.secrets` that it is signed with.
    pub secret: String,
    /// The event's data.
    pub data: Value,
    /// Attributes in headers and the data alone as the body, in place of one JSON object with all of it.
    #[serde(default)]
    pub binary: bool,
    /// At most so many calls to this host at a time.
    #[serde(default = "at_most")]
    pub at_most: u32,
}

fn at_most() -> u32 {
    AT_MOST
}

impl Webhook {
    /// Host and port, if the URL has any.
    fn host(&self) -> Option<String> {
        let url = Url::parse(&self.url).ok()?;
        Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?))
    }
}

impl Job for Webhook {
    const KIND: &'static str = "webhook";
    const QUEUE: &'static str = "webhooks";
    /// With its backoff that is most of a day.
    const MAX_ATTEMPTS: u32 = 30;

    fn index(&self) -> Vec<(&'static str, String)> {
        self.host().map(|host| ("host", host)).into_iter().collect()
    }

    /// What cannot be called waits for nothing.
    fn lane(&self) -> Option<Lane> {
        Some(Lane::limited(self.at_most, self.host()?))
    }

    fn backoff() -> Option<Backoff> {
        Some(Backoff::exponential(Duration::from_secs(5), Duration::from_hours(1)))
    }
}

/// Does [`Webhook`], with the [`Webhooks`] in the state. The message's id is the job's, the same at every attempt.
pub async fn send_webhook(job: Webhook, State(webhooks): State<Webhooks>, ctx: Ctx) -> Result<Done, JobError> {
    webhooks.send(&job, &ctx).await
}
