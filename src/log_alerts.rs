//! `millgate log-alerts`: who logs too many errors is told of, by mail or webhook.

use std::sync::Arc;

use millgate_jobs::{Enqueued, Job, JobOptions, NewJob, QueueError, Queues};
use millgate_streams::{LogAlert, LogAlertConfig, LogAlerts};
use millgate_workers::{email::NotificationEmail, webhook::Webhook};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::servers::Servers;

/// Why alerts cannot be given.
pub(crate) fn unfit(servers: &Servers) -> Option<String> {
    let config = &servers.config.log_alerts;
    let missing = |kind: &str| format!("alerts are jobs of kind {kind}, which no handler does; add App::worker(…)");
    if config.to.is_empty() && config.webhook.is_empty() {
        return Some("nobody is to be told; set log_alerts.to (MILLGATE_LOG_ALERTS_TO) or log_alerts.webhook".into());
    }
    if servers.config.log_shipping.error_topic.is_empty() {
        return Some("log_shipping.error_topic is empty, so that there are no errors to be counted".into());
    }
    let kinds = [(&config.to, NotificationEmail::KIND), (&config.webhook, Webhook::KIND)];
    let unhandled = kinds.into_iter().find(|(to, kind)| !to.is_empty() && !servers.handlers.handles(kind));
    unhandled.map(|(_, kind)| missing(kind)).or_else(|| unsigned(config, &servers.config.webhook.secrets))
}

/// Workers do not post what they cannot sign: every alert would wait for its secret.
fn unsigned(config: &LogAlertConfig, secrets: &[String]) -> Option<String> {
    let name = &config.webhook_secret;
    let is_it = |secret: &String| secret.split_once('=').is_some_and(|(own, _)| own.trim() == name);
    // Without the name: what stands there by mistake may be the secret itself.
    (!config.webhook.is_empty() && !secrets.iter().any(is_it)).then(|| {
        "webhook.secrets (MILLGATE_WEBHOOK_SECRETS) has no secret of the name that log_alerts.webhook_secret says, so that \
         no alert could be signed; add one: name=whsec_…"
            .to_owned()
    })
}

/// Counts errors, and makes jobs of alerts, until `stop` fires.
pub(crate) async fn run(servers: &Servers, stop: CancellationToken) -> anyhow::Result<()> {
    let config = &servers.config.log_alerts;
    let (_, topic) = servers.config.log_shipping.topics(servers.application);
    let alerts = LogAlerts::start(&servers.config.kafka, &topic.unwrap_or_default(), config, now())?;
    let (queues, config) = (servers.queues.clone(), Arc::new(config.clone()));
    alerts.run(|alert| tell(queues.clone(), config.clone(), alert), stop).await;
    Ok(())
}

/// A job for each way that somebody is told. Within `again_after` the next one about the same service is not taken in, whoever
/// makes it: another process that counts, or this one after a restart. Says whether one was.
async fn tell(queues: Queues, config: Arc<LogAlertConfig>, alert: LogAlert) -> Result<bool, QueueError> {
    let mut is_told = false;
    for job in jobs(&config, &alert)? {
        let enqueued = queues.queue(&job.queue).enqueue(&[job]).await?;
        is_told |= enqueued.iter().any(|job| matches!(job, Enqueued::New(_)));
    }
    Ok(is_told)
}

fn jobs(config: &LogAlertConfig, alert: &LogAlert) -> Result<Vec<NewJob>, QueueError> {
    let LogAlert { service, errors, at, message } = alert;
    let window = humantime::format_duration(config.window);
    let options = |kind: &str| JobOptions::default().once(format!("log-alert:{kind}:{service}"), config.again_after);
    let mut jobs = Vec::new();
    if !config.to.is_empty() {
        let mail = NotificationEmail {
            to: config.to.clone(),
            subject: format!("{service} logs errors: {errors} within {window}"),
            body: format!(
                "{service} logged {errors} errors within {window}, the last one at {}:\n\n{message}\n\nNobody is told of it again \
                 within {}.",
                at.format("%Y-%m-%d %H:%M:%S UTC"),
                humantime::format_duration(config.again_after),
            ),
            ..NotificationEmail::default()
        };
        jobs.push(NewJob::of(&mail, options(NotificationEmail::KIND))?);
    }
    if !config.webhook.is_empty() {
        let data =
            json!({ "service": service, "errors": errors, "window": window.to_string(), "at": at, "message": message });
        let (url, secret) = (config.webhook.clone(), config.webhook_secret.clone());
        let post = Webhook { url, secret, data, binary: false, at_most: 1 };
        jobs.push(NewJob::of(&post, options(Webhook::KIND))?);
    }
    Ok(jobs)
}

#[expect(clippy::disallowed_methods, reason = "errors of a while before now are counted")]
fn now() -> chrono::DateTime<chrono::Utc> {
    chrono::Utc::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_that_no_worker_could_sign_is_refused() {
        let alerts = |webhook: &str, secret: &str| LogAlertConfig {
            webhook: webhook.into(),
            webhook_secret: secret.into(),
            ..LogAlertConfig::default()
        };
        let secrets = ["erp=whsec_x".to_owned(), " ops =whsec_y".to_owned()];
        assert_eq!(unsigned(&alerts("", ""), &[]), None);
        assert_eq!(unsigned(&alerts("https://x.example/", "ops"), &secrets), None);
        for (name, secrets) in [("ops", &secrets[..1]), ("ops", &[]), ("whsec_y", &secrets[..])] {
            let told = unsigned(&alerts("https://x.example/", name), secrets).unwrap();
            assert!(told.contains("webhook.secrets") && !told.contains("whsec_y"), "{told}");
        }
    }
}
