//! `millgate doctor`: every server, reached or not, and what to do.

use std::time::Duration;

use millgate_events::{LetterFilter, OutboxStore, TopicAdmin};
use millgate_workers::email::Mailer;
use serde::Serialize;

use super::{Call, Outcome};
use crate::{claim_expiry, servers::Servers};

/// What was found out about one server.
#[derive(Serialize)]
struct Finding {
    server: &'static str,
    address: String,
    well: bool,
    said: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn run(call: Call) -> anyhow::Result<Outcome> {
    let json = call.json;
    let servers = call.servers()?;
    let (kafka, redis, postgres, smtp, claims, registry) = tokio::join!(
        kafka(&servers),
        redis(&servers),
        postgres(&servers),
        smtp(&servers),
        claims(&servers),
        registry(&servers)
    );
    let findings: Vec<Finding> = [kafka, redis, postgres, smtp].into_iter().chain(claims).chain(registry).collect();
    if json {
        println!("{}", serde_json::to_string_pretty(&findings)?);
    } else {
        for finding in &findings {
            let mark = if finding.well { "ok  " } else { "FAIL" };
            println!("{mark}  {:<11} {:<46} {}", finding.server, finding.address, finding.said);
            if let Some(advice) = &finding.advice {
                println!("      {:<11} -> {advice}", "");
            }
        }
    }
    Ok(if findings.iter().all(|finding| finding.well) { Outcome::Well } else { Outcome::NotWell })
}

fn found(server: &'static str, address: &str, result: Result<(String, Option<String>), (String, String)>) -> Finding {
    let address = crate::config::hide_in_text(address);
    match result {
        Ok((said, advice)) => Finding { server, address, well: true, said, advice },
        Err((said, advice)) => Finding { server, address, well: false, said, advice: Some(advice) },
    }
}

async fn kafka(servers: &Servers) -> Finding {
    let config = &servers.config.kafka;
    let check = async {
        let info = millgate_events::describe(config, PATIENCE).await.map_err(|error| {
            (error.to_string(), "is the broker up, and kafka.brokers (KAFKA_BROKERS) right?".to_owned())
        })?;
        let said = format!("{} brokers, {} topics", info.brokers.len(), info.topics.len());
        let plan = match TopicAdmin::new(config, PATIENCE) {
            Ok(admin) => admin.plan(&servers.topic_specs()).await,
            Err(error) => Err(error),
        };
        let advice = match plan {
            Ok(changes) if changes.is_empty() => None,
            Ok(changes) => Some(format!("{} topics are not as they should be: `topics plan` shows it", changes.len())),
            Err(error) => Some(format!("topics cannot be compared: {error}")),
        };
        Ok((said, advice))
    };
    found("Kafka", &config.brokers, check.await)
}

async fn redis(servers: &Servers) -> Finding {
    let result = match tokio::time::timeout(PATIENCE, servers.queues.info()).await {
        Ok(Ok(info)) => {
            let masters = if info.masters > 1 { format!(", {} masters", info.masters) } else { String::new() };
            let said = format!("version {}{masters}, maxmemory-policy {}", info.version, info.maxmemory_policy);
            if info.maxmemory_policy == "noeviction" {
                let advice = "without an append-only file a crash loses jobs: CONFIG SET appendonly yes";
                Ok((said, (!info.append_only).then(|| advice.to_owned())))
            } else {
                Err((said, "it may throw jobs away: CONFIG SET maxmemory-policy noeviction".to_owned()))
            }
        }
        Ok(Err(error)) => Err((error.to_string(), "is it up, and redis.url (MILLGATE_REDIS_URL) right?".to_owned())),
        Err(_) => Err((format!("no answer within {PATIENCE:?}"), "is it paused or overloaded?".to_owned())),
    };
    found("Redis", &servers.config.redis.url, result)
}

async fn postgres(servers: &Servers) -> Finding {
    let result = match servers.postgres_version().await {
        Ok(version) => tables(servers, version).await,
        Err(error) => Err((error.root_cause().to_string(), error.to_string())),
    };
    found("PostgreSQL", &servers.config.postgres.url, result)
}

/// What is in the tables of dead letters and of the outbox, if there are to be any.
async fn tables(servers: &Servers, version: String) -> Result<(String, Option<String>), (String, String)> {
    let version = format!("version {version}");
    let Some(letters) = &servers.letters else { return Ok((version, None)) };
    let stuck = match OutboxStore::new(servers.database.clone()).stuck().await {
        Ok(stuck) => stuck.len(),
        Err(error) => return Err((version, error.to_string())),
    };
    if stuck > 0 {
        let said = format!("{version}, {stuck} keys of the outbox are stuck");
        return Ok((said, Some("`millgate outbox list` says why".into())));
    }
    match letters.count(&LetterFilter::default().open()).await {
        Ok(0) => Ok((version, None)),
        Ok(count) => Ok((format!("{version}, {count} dead letters"), Some("`millgate dlq stats` says of what".into()))),
        Err(error) => Err((version, error.to_string())),
    }
}

async fn smtp(servers: &Servers) -> Finding {
    let config = &servers.config.smtp;
    let advice = || "is it up, and smtp.url (MILLGATE_SMTP_URL) right?".to_owned();
    let check = async {
        let mailer = Mailer::new(config).map_err(|error| error.to_string())?;
        mailer.check().await.map_err(|error| error.to_string())
    };
    let result = match tokio::time::timeout(PATIENCE, check).await {
        Ok(Ok(said)) => Ok((said, None)),
        Ok(Err(said)) => Err((said, advice())),
        Err(_) => Err((format!("no answer within {PATIENCE:?}"), advice())),
    };
    found("SMTP", &config.url, result)
}

/// Nothing where there is no registry.
async fn registry(servers: &Servers) -> Option<Finding> {
    let (config, registry) = (&servers.config.schema_registry, servers.producer.values().registry());
    if !registry.is_on() {
        return None;
    }
    let advice = || "are schema_registry.url and what logs in right? The URL is what comes before /subjects".to_owned();
    let result = match tokio::time::timeout(PATIENCE, registry.check()).await {
        Ok(Ok(())) => Ok(("answers".to_owned(), None)),
        Ok(Err(error)) => Err((error.to_string(), advice())),
        Err(_) => Err((format!("no answer within {PATIENCE:?}"), advice())),
    };
    Some(found("Schemas", &config.url, result))
}

/// Nothing where there is no store.
async fn claims(servers: &Servers) -> Option<Finding> {
    let (config, claims) = (&servers.config.claim_check, servers.producer.claims());
    if !claims.is_on() {
        return None;
    }
    let outlived = servers.topics_that_outlive(config.expire);
    let result = match tokio::time::timeout(PATIENCE, claims.check()).await {
        Ok(Ok(())) => {
            let advice = (!outlived.is_empty()).then(|| claim_expiry::warning(&outlived, config.expire));
            Ok((format!("takes values over {}", config.limit), advice))
        }
        Ok(Err(error)) => Err((error.to_string(), "producers and bridges need the same store".to_owned())),
        Err(_) => Err((format!("no answer within {PATIENCE:?}"), "is the network there?".to_owned())),
    };
    Some(found("Claims", &config.store, result))
}
