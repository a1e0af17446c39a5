//! Records of a topic as one sees them. Looking commits nothing and joins no group.

use chrono::{DateTime, Utc};
use millgate_events::{Claims, Incoming, Logs, Reading, Record, Start, readable};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Payload, SeeError, Tried, When, groups::PATIENCE, letters::said, plans};
use crate::Site;

/// Records on a page, and at most.
const MOST: usize = 50;

/// Which records one wants to see: the newest, if nothing is said.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RecordChoice {
    /// Of this partition; 0 if nothing is said.
    #[serde(deserialize_with = "said")]
    pub partition: Option<i32>,
    /// From this offset on.
    #[serde(deserialize_with = "said")]
    pub at: Option<i64>,
    /// The last ones before this offset.
    #[serde(deserialize_with = "said")]
    pub before: Option<i64>,
    /// From this time on.
    #[serde(deserialize_with = "said")]
    pub since: Option<When>,
    /// Of this key only; looked for among some thousand.
    #[serde(deserialize_with = "said")]
    pub key: Option<String>,
    /// At most so many.
    #[serde(deserialize_with = "said")]
    pub limit: Option<usize>,
}

/// Records of one partition.
#[derive(Debug, Serialize)]
pub struct RecordPage {
    /// The topic, as Kafka names it.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The first offset that is still there.
    pub begin: i64,
    /// The offset of the next record.
    pub end: i64,
    /// The first offset that was looked at.
    pub from: i64,
    /// The offset behind the last one that was looked at.
    pub to: i64,
    /// In order.
    pub records: Vec<RecordView>,
}

/// An event, as a record says which it is.
#[derive(Debug, Serialize)]
pub struct EventBrief {
    /// Its id.
    pub id: String,
    /// Who published it.
    pub source: String,
    /// Its type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The version of its payload.
    pub version: u32,
    /// Shared by everything that one request set off.
    pub correlation_id: String,
}

/// A record.
#[derive(Debug, Serialize)]
pub struct RecordView {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Kafka's time of it.
    pub time: Option<DateTime<Utc>>,
    /// Its key.
    pub key: Option<Payload>,
    /// The event that it is, or why it is none.
    pub event: Option<EventBrief>,
    /// Why it is no event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Its headers in order; a value that is no text as `{"hex": …}`.
    pub headers: Vec<(String, Value)>,
    /// Its value; nothing is a tombstone.
    pub value: Option<Payload>,
    /// Bytes of its value.
    pub bytes: usize,
    /// Where its value lies, if it is elsewhere: a claim check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
    /// What it would come to, where one record is looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plans: Vec<Tried>,
}

fn full(site: &Site, name: &str) -> String {
    let kafka = site.kafka();
    if name.starts_with(&kafka.topic_prefix) { name.to_owned() } else { kafka.topic(name) }
}

/// Some records of a topic, which is named with the prefix or without.
pub async fn records(site: &Site, topic: &str, choice: &RecordChoice) -> Result<RecordPage, SeeError> {
    let (topic, partition) = (full(site, topic), choice.partition.unwrap_or_default());
    let start = match (choice.at, choice.before, choice.since) {
        (Some(offset), _, _) => Start::At(offset),
        (_, Some(offset), _) => Start::Before(offset),
        (_, _, Some(time)) => Start::Since(time.before(super::groups::now())),
        _ => Start::Newest,
    };
    let most = choice.limit.unwrap_or(MOST).clamp(1, MOST);
    let logs = Logs::new(&site.kafka(), PATIENCE);
    let key = choice.key.as_deref().map(str::as_bytes);
    let Reading { records, begin, end, from, to } = logs.read(&topic, partition, start, key, most).await?;
    let records = records.iter().map(|record| view(site, record)).collect();
    Ok(RecordPage { topic, partition, begin, end, from, to, records })
}

/// One record, with what it would come to.
pub async fn record(site: &Site, topic: &str, partition: i32, offset: i64) -> Result<RecordView, SeeError> {
    let topic = full(site, topic);
    let logs = Logs::new(&site.kafka(), PATIENCE);
    let Reading { records, begin, end, .. } = logs.read(&topic, partition, Start::At(offset), None, 1).await?;
    let Some(record) = records.into_iter().find(|record| record.offset == offset) else {
        let text = format!("{topic}/{partition} has no record at offset {offset}: it holds offsets from {begin} to before {end}");
        return Err(SeeError::Missing(text));
    };
    let found = view(site, &record);
    // What a claim comes to is known with its value, which may be large.
    let plans = if found.claim.is_some() {
        Vec::new()
    } else {
        let wrong = |error: serde_json::Error| SeeError::Misunderstood(error.to_string());
        plans(&record, &site.kafka().topic_prefix, site.tables()).map_err(wrong)?
    };
    Ok(RecordView { plans, ..found })
}

fn view(site: &Site, record: &Record) -> RecordView {
    let prefix = site.kafka().topic_prefix;
    let topic = record.topic.strip_prefix(prefix.as_str()).unwrap_or(&record.topic);
    let is_claim = Claims::is_claim(record);
    let (event, trouble) = match Incoming::read(record, topic) {
        Ok(None) => (None, None),
        Ok(Some(incoming)) => {
            let meta = incoming.meta;
            let brief = EventBrief {
                id: meta.id.clone(),
                source: meta.source.clone(),
                event_type: meta.event_type.clone(),
                version: meta.version,
                correlation_id: meta.correlation_id.clone(),
            };
            (Some(brief), None)
        }
        Err(error) => (None, Some(error.to_string())),
    };
    let what = event.as_ref().map(|event| event.event_type.as_str());
    let value = record.value.as_deref().filter(|_| !is_claim).map(|value| Payload::of(what, value));
    let header = |value: Option<&[u8]>| value.map_or(Value::Null, readable);
    RecordView {
        partition: record.partition,
        offset: record.offset,
        time: record.timestamp.and_then(DateTime::from_timestamp_millis),
        key: record.key.as_deref().map(|key| Payload::of(None, key)),
        headers: record.headers.iter().map(|(name, value)| (name.to_owned(), header(value.map(|it| &**it)))).collect(),
        bytes: record.value.as_ref().map_or(0, |value| value.len()),
        claim: record.headers.text("ce_dataref").filter(|_| is_claim).map(str::to_owned),
        value,
        event,
        trouble,
        plans: Vec::new(),
    }
}
