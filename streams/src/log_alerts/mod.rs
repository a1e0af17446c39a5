//! Errors that services log, counted as they come: too many within a time, and somebody is told.
//!
//! What is counted lies in memory only. Whoever begins reads the last window of the topic again, so that a restart neither forgets a
//! burst nor needs an offset; several may run at once. That it is told once is for the job to see to, by a key of its own.

mod config;
mod window;

use std::{collections::HashMap, fmt::Display, future::Future, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use millgate_events::{KafkaConfig, KafkaError, LogTail, Record};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

pub use config::LogAlertConfig;
use window::Window;

/// Pauses while an alert cannot be handed over.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// Where somebody else has told of a service, it is tried so many times until nobody has been told for long enough.
const TRIES: i32 = 600;
/// More services than anybody has: names may come from whoever writes to the topic.
const MOST_SERVICES: usize = 10_000;

/// A service that logs errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogAlert {
    /// The service.
    pub service: String,
    /// How many errors there were within the window.
    pub errors: u64,
    /// When the last one was.
    pub at: DateTime<Utc>,
    /// What it says.
    pub message: String,
}

/// A line, as far as it matters.
#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    service: Option<String>,
    #[serde(default)]
    message: Option<serde_json::Value>,
}

/// One service.
struct Watched {
    window: Window,
    /// When its last alert was.
    told: Option<DateTime<Utc>>,
    /// Whether that was another process'.
    by_another: bool,
}

/// Reads errors, and tells.
pub struct LogAlerts {
    tail: LogTail,
    config: LogAlertConfig,
    services: HashMap<String, Watched>,
}

impl LogAlerts {
    /// Reads a topic of errors, which is named without the prefix, from the last window on.
    pub fn start(
        kafka: &KafkaConfig,
        topic: &str,
        config: &LogAlertConfig,
        now: DateTime<Utc>,
    ) -> Result<Self, KafkaError> {
        let since = now.checked_sub_signed(span(config.window)).unwrap_or(DateTime::UNIX_EPOCH);
        let tail = LogTail::start(kafka, topic, since)?;
        Ok(Self { tail, config: config.clone(), services: HashMap::new() })
    }

    /// Hands each alert to `tell` until `stop` fires, which says whether somebody was told now, or had been lately. What fails
    /// is tried again, until it works.
    pub async fn run<E: Display, F: Future<Output = Result<bool, E>> + Send>(
        mut self,
        tell: impl Fn(LogAlert) -> F,
        stop: CancellationToken,
    ) {
        while let Some(Some(record)) = stop.run_until_cancelled(self.tail.next()).await {
            let Some(alert) = self.count(&record) else { continue };
            let mut pause = PAUSES.0;
            let is_told = loop {
                match tell(alert.clone()).await {
                    Ok(is_told) => break is_told,
                    Err(problem) => {
                        error!(%problem, service = alert.service, "nobody can be told of a service's errors; trying on");
                    }
                }
                if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                    return;
                }
                pause = (pause * 2).min(PAUSES.1);
            };
            if is_told {
                warn!(service = alert.service, errors = alert.errors, "a service logs errors");
                if let Some(watched) = self.services.get_mut(&alert.service) {
                    watched.by_another = false;
                }
            } else {
                self.told_by_another(&alert);
            }
        }
        info!("no more errors are counted");
    }

    /// Somebody was told lately, when is not known here: it is tried again soon.
    fn told_by_another(&mut self, alert: &LogAlert) {
        let again_after = span(self.config.again_after);
        if let Some(watched) = self.services.get_mut(&alert.service) {
            if !std::mem::replace(&mut watched.by_another, true) {
                info!(
                    service = alert.service,
                    errors = alert.errors,
                    "a service logs errors, as somebody was told lately"
                );
            }
            watched.told = alert.at.checked_sub_signed(again_after - again_after / TRIES);
        }
    }

    /// Counts a line. Gives an alert if that is one too many, and nobody was told of the service lately.
    fn count(&mut self, record: &Record) -> Option<LogAlert> {
        // Kafka's time is mostly that of the machine that logged: one whose clock is ahead must not put the others into the past.
        let at = record.timestamp.and_then(DateTime::from_timestamp_millis)?.min(now());
        // What is no JSON is an error that somebody logged, too.
        let line = record.value.as_deref().and_then(|value| serde_json::from_slice::<Line>(value).ok());
        let Line { service, message } = line.unwrap_or(Line { service: None, message: None });
        let service = service.unwrap_or_else(|| "unknown".to_owned());
        if self.services.len() >= MOST_SERVICES && !self.services.contains_key(&service) {
            self.services.retain(|_, watched| watched.window.is_alive(at));
        }
        let config = &self.config;
        let new = || Watched { window: Window::new(config.window), told: None, by_another: false };
        let watched = self.services.entry(service.clone()).or_insert_with(new);
        let errors = watched.window.count(at);
        let is_lately = watched.told.is_some_and(|told| at - told < span(config.again_after));
        if errors < config.threshold || is_lately {
            return None;
        }
        watched.told = Some(at);
        let message = match message.unwrap_or_default() {
            serde_json::Value::String(text) => text,
            serde_json::Value::Null => String::new(),
            other => other.to_string(),
        };
        Some(LogAlert { service, errors, at, message })
    }
}

#[expect(clippy::disallowed_methods, reason = "what is ahead is ahead of now")]
fn now() -> DateTime<Utc> {
    Utc::now()
}

fn span(time: Duration) -> TimeDelta {
    TimeDelta::from_std(time).unwrap_or(TimeDelta::MAX)
}
