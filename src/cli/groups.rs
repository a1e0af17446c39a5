//! `millgate groups`: how far the bridge's consumer groups are in each partition.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use chrono::{DateTime, Utc};
use futures::future::try_join_all;
use millgate_dashboard::Reader;
use millgate_events::{Committed, KafkaError, Logs};
use serde_json::{Value, json};

use super::{Call, Outcome, group_choice::GroupChoice, moment::span};

/// For one question to Kafka.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(clap::Args)]
pub(super) struct Args {
    /// Only this topic
    #[arg(long, value_name = "NAME")]
    topic: Option<String>,
    #[command(flatten)]
    group: GroupChoice,
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

pub(super) async fn run(call: Call, Args { topic, group }: Args) -> anyhow::Result<Outcome> {
    let json = call.json;
    let servers = call.servers()?;
    let mut readers = match group.of(&servers) {
        Ok(readers) => readers,
        Err(message) => return Ok(Outcome::Misunderstood(message)),
    };
    if let Some(topic) = topic.as_deref() {
        let known: BTreeSet<&str> = readers.iter().flat_map(|reader| reader.routes.topics()).collect();
        readers.retain(|reader| reader.routes.topics().any(|known| known == topic));
        if readers.is_empty() {
            let known: Vec<&str> = known.into_iter().collect();
            let message = format!("no event comes on topic `{topic}`; there are: {}", known.join(", "));
            return Ok(Outcome::Misunderstood(message));
        }
    }
    let mut values = Vec::new();
    for reader in readers {
        let lags = lags(reader, topic.as_deref()).await?;
        if json {
            values.extend(lags.iter().map(|lag| as_json(reader, lag)));
            continue;
        }
        println!("group {} ({})", reader.kafka.consumer_group, reader.name);
        for Lag { committed, end, events, age } in &lags {
            let at = committed.offset.map_or("none".to_owned(), |offset| offset.to_string());
            let behind = if *events == 0 { String::new() } else { format!("{events} behind, for {}", span(*age)) };
            let place = format!("{}/{}", committed.topic, committed.partition);
            println!("{place:<44} committed {at:<10} end {end:<10} {behind}");
        }
    }
    if json {
        println!("{:#}", json!(values));
    }
    Ok(Outcome::Well)
}

fn as_json(reader: &Reader, Lag { committed, end, events, age }: &Lag) -> Value {
    json!({
        "group": reader.kafka.consumer_group,
        "name": reader.name,
        "topic": committed.topic,
        "partition": committed.partition,
        "committed": committed.offset,
        "end": end,
        "lag": events,
        "lag_seconds": age.as_secs(),
    })
}

/// How far a group is in each partition of its topics, or of one of them.
async fn lags(reader: &Reader, topic: Option<&str>) -> Result<Vec<Lag>, KafkaError> {
    let logs = Logs::new(&reader.kafka, PATIENCE);
    let chosen = reader.routes.topics().filter(|known| topic.is_none_or(|topic| topic == *known));
    let committed = try_join_all(chosen.map(|topic| logs.committed(topic))).await?;
    let mut lags = try_join_all(committed.into_iter().flatten().map(|committed| lag(&logs, committed, now()))).await?;
    lags.sort_by(|a, b| (&a.committed.topic, a.committed.partition).cmp(&(&b.committed.topic, b.committed.partition)));
    Ok(lags)
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
