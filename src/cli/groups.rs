//! `millgate groups`: how far the bridge's consumer group is in each partition.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use futures::future::try_join_all;
use millgate_events::{Committed, KafkaError, Logs};
use serde_json::json;

use super::{Call, Outcome, moment::span};

/// For one question to Kafka.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(clap::Args)]
pub(super) struct Args {
    /// Only this topic
    #[arg(long, value_name = "NAME")]
    topic: Option<String>,
}

/// How far the group is in one partition.
struct Lag {
    committed: Committed,
    /// The offset of the partition's next record.
    end: i64,
    /// Records that are not known to be handed off.
    events: i64,
    /// The age of the first of them.
    age: Duration,
}

pub(super) async fn run(call: Call, Args { topic }: Args) -> anyhow::Result<Outcome> {
    let json = call.json;
    let servers = call.servers()?;
    let kafka = &servers.config.kafka;
    let known: Vec<&str> = servers.routes.topics().collect();
    if let Some(topic) = topic.as_deref().filter(|topic| !known.contains(topic)) {
        return Ok(Outcome::Misunderstood(format!(
            "no event comes on topic `{topic}`; there are: {}",
            known.join(", ")
        )));
    }
    let logs = Logs::new(kafka, PATIENCE);
    let chosen = known.into_iter().filter(|known| topic.as_deref().is_none_or(|topic| topic == *known));
    let committed = try_join_all(chosen.map(|topic| logs.committed(topic))).await?;
    let mut lags = try_join_all(committed.into_iter().flatten().map(|committed| lag(&logs, committed, now()))).await?;
    lags.sort_by(|a, b| (&a.committed.topic, a.committed.partition).cmp(&(&b.committed.topic, b.committed.partition)));
    if json {
        let lags: Vec<_> = lags
            .iter()
            .map(|Lag { committed, end, events, age }| {
                json!({
                    "group": kafka.consumer_group,
                    "topic": committed.topic,
                    "partition": committed.partition,
                    "committed": committed.offset,
                    "end": end,
                    "lag": events,
                    "lag_seconds": age.as_secs(),
                })
            })
            .collect();
        println!("{:#}", json!(lags));
        return Ok(Outcome::Well);
    }
    println!("group {}", kafka.consumer_group);
    for Lag { committed, end, events, age } in &lags {
        let at = committed.offset.map_or("none".to_owned(), |offset| offset.to_string());
        let behind = if *events == 0 { String::new() } else { format!("{events} behind, for {}", span(*age)) };
        let place = format!("{}/{}", committed.topic, committed.partition);
        println!("{place:<44} committed {at:<10} end {end:<10} {behind}");
    }
    Ok(Outcome::Well)
}

async fn lag(logs: &Logs, committed: Committed, now: DateTime<Utc>) -> Result<Lag, KafkaError> {
    let (topic, partition) = (committed.topic.as_str(), committed.partition);
    let (begin, end) = logs.bounds(topic, partition).await?;
    let next = committed.offset.unwrap_or(begin).max(begin);
    let events = (end - next).max(0);
    let first = if events == 0 { None } else { logs.record_at(topic, partition, next).await? };
    let time = first.and_then(|first| DateTime::from_timestamp_millis(first.timestamp?));
    let age = time.and_then(|time| (now - time).to_std().ok()).unwrap_or_default();
    Ok(Lag { committed, end, events, age })
}

#[expect(clippy::disallowed_methods, reason = "the age of a record is its age now")]
fn now() -> DateTime<Utc> {
    SystemTime::now().into()
}
