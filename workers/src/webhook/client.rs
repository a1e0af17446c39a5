//! Calls webhooks.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, Utc};
use millgate_jobs::ErrorCode;
use reqwest::{Client, Response, StatusCode, Url, header::RETRY_AFTER, redirect::Policy};

use super::{
    Webhook, WebhookConfig, WebhookError,
    message::Message,
    network::Networks,
    resolver::{Private, Resolver},
    signature::Secrets,
};
use crate::{Breaker, BreakerConfig, BreakerState, Ctx, Done, JobError};

/// So much of an answer is read, of which people see the beginning.
const READ: usize = 4 * 1024;
const SHOWN: usize = 200;
/// With more hosts than this, those that are well are forgotten.
const HOSTS: usize = 1000;

/// The way out for webhooks: a client, the secrets, and a circuit breaker for each host. Cheap to clone.
#[derive(Clone)]
pub struct Webhooks(Arc<Inner>);

struct Inner {
    client: Client,
    secrets: Secrets,
    networks: Networks,
    breaker: BreakerConfig,
    breakers: Mutex<HashMap<String, Breaker>>,
}

impl Webhooks {
    /// Reads the settings.
    pub fn new(config: &WebhookConfig) -> Result<Self, WebhookError> {
        let networks = Networks::read(&config.allow_networks)?;
        let client = Client::builder()
            .user_agent(concat!("millgate/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            // A proxy would connect to addresses that nobody has looked at.
            .no_proxy()
            .dns_resolver(Arc::new(Resolver(networks.clone())))
            .connect_timeout(config.connect_timeout)
            .timeout(config.timeout)
            .build()?;
        let (secrets, breaker) = (Secrets::read(&config.secrets)?, config.breaker.clone());
        Ok(Self(Arc::new(Inner { client, secrets, networks, breaker, breakers: Mutex::default() })))
    }

    /// The breaker of a host: `erp.example.org:443`.
    pub fn breaker(&self, host: &str) -> Breaker {
        // An insertion is all that changes it; nothing can be torn.
        let mut breakers = self.0.breakers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(breaker) = breakers.get(host) {
            return breaker.clone();
        }
        if breakers.len() >= HOSTS {
            breakers.retain(|_, breaker| breaker.state() != BreakerState::Closed);
        }
        breakers.entry(host.to_owned()).or_insert_with(|| Breaker::new(host, self.0.breaker.clone())).clone()
    }

    /// Posts once. What comes of it is the job's verdict.
    pub(super) async fn send(&self, job: &Webhook, ctx: &Ctx) -> Result<Done, JobError> {
        let (url, host) = self.target(&job.url)?;
        let Message { body, headers } = Message::new(job, ctx)?;
        let timestamp = now().timestamp();
        let Some(signature) = self.0.secrets.sign(&job.secret, &ctx.job_id, timestamp, &body) else {
            let message = format!("this worker has no secret `{}`; add it to webhook.secrets", job.secret);
            return Err(JobError::retry_with("no_secret", message));
        };
        let mut request = self.0.client.post(url).body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request
            .header("webhook-id", &ctx.job_id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature);
        let call = async {
            match request.send().await {
                Ok(response) => verdict(response, &host).await,
                Err(error) => Err(no_answer(error, &host)),
            }
        };
        self.breaker(&host).watch(call, Some(ctx.cancelled.clone())).await
    }

    /// The URL, if it may be called, and its host. Names are looked at when they are looked up.
    fn target(&self, url: &str) -> Result<(Url, String), JobError> {
        let wrong = |reason: &str| JobError::of(ErrorCode::InvalidRequest, format!("the webhook's url: {reason}"));
        let url = Url::parse(url).map_err(|error| wrong(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("it begins with neither https:// nor http://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("it has a user or a password, which would lie in Redis; webhooks are signed instead"));
        }
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(wrong("it names no host"));
        };
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        if address.is_ok_and(|address| !self.0.networks.allow(address)) {
            return Err(private(&Private { host: host.to_owned() }));
        }
        let host = format!("{host}:{port}");
        Ok((url, host))
    }
}

#[expect(clippy::disallowed_methods, reason = "the receiver holds it against its own clock")]
fn now() -> DateTime<Utc> {
    Utc::now()
}

fn private(error: &Private) -> JobError {
    JobError::dead("private_address", error)
}

async fn verdict(response: Response, host: &str) -> Result<Done, JobError> {
    let status = response.status();
    if status.is_success() {
        return Ok(Done);
    }
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let said = beginning(response).await;
    let hint = match status {
        StatusCode::GONE => "; it wants no more of these: remove the route",
        _ if status.is_redirection() => "; redirects are not followed: write the new address into the route",
        _ => "",
    };
    let colon = if said.is_empty() { "" } else { ": " };
    let message = format!("{host} answers {status}{hint}{colon}{said}");
    Err(JobError::http(status.as_u16(), retry_after.as_deref(), now(), message))
}

/// What an answer begins with, in one line.
async fn beginning(mut response: Response) -> String {
    let mut read = Vec::new();
    while read.len() < READ
        && let Ok(Some(chunk)) = response.chunk().await
    {
        read.extend_from_slice(&chunk[..chunk.len().min(READ - read.len())]);
    }
    let text = String::from_utf8_lossy(&read);
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().take(SHOWN).collect()
}

fn no_answer(error: reqwest::Error, host: &str) -> JobError {
    // A URL may hold more than people should see.
    let error = error.without_url();
    if Private::is_cause_of(&error) {
        let host = host.rsplit_once(':').map_or(host, |(host, _)| host).to_owned();
        return private(&Private { host });
    }
    let code = if error.is_timeout() { ErrorCode::Timeout } else { ErrorCode::Unavailable };
    JobError::of(code, format!("{host} gives no answer: {}", crate::job_error::with_causes(&error)))
}
