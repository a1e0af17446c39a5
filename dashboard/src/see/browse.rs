//! Records of a topic as one sees them. Looking commits nothing and joins no group.

use millgate_events::{Logs, Reading, Start};
use serde::{Deserialize, Serialize};

use super::{
    Mask, RecordView, SeeError, Tried, When, groups::PATIENCE, letters::said, plans, record::Opened, topics::full_name,
};
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

/// A record, and what it would come to.
#[derive(Debug, Serialize)]
pub struct RecordPlans {
    /// The record.
    #[serde(flatten)]
    pub record: RecordView,
    /// What it would come to, group by group; nothing where its value cannot be had.
    pub plans: Vec<Tried>,
}

/// Some records of a topic, which is named with the prefix or without. Values in the claim store are left there.
pub async fn records(site: &Site, topic: &str, choice: &RecordChoice, mask: Mask<'_>) -> Result<RecordPage, SeeError> {
    let (topic, partition, kafka) = (full_name(site, topic)?, choice.partition.unwrap_or_default(), site.kafka());
    let start = match (choice.at, choice.before, choice.since) {
        (Some(offset), _, _) => Start::At(offset),
        (_, Some(offset), _) => Start::Before(offset),
        (_, _, Some(time)) => Start::Since(time.before(super::groups::now())),
        _ => Start::Newest,
    };
    let most = choice.limit.unwrap_or(MOST).clamp(1, MOST);
    let key = choice.key.as_deref().map(str::as_bytes);
    let Reading { records, begin, end, from, to } =
        Logs::new(&kafka, PATIENCE).read(&topic, partition, start, key, most).await?;
    let records = records.into_iter().map(|record| Opened::read(record, &kafka.topic_prefix, mask).view).collect();
    Ok(RecordPage { topic, partition, begin, end, from, to, records })
}

/// One record with its value, wherever that lies, and with what it would come to.
pub async fn record(
    site: &Site,
    topic: &str,
    partition: i32,
    offset: i64,
    mask: Mask<'_>,
) -> Result<RecordPlans, SeeError> {
    let (topic, kafka) = (full_name(site, topic)?, site.kafka());
    let logs = Logs::new(&kafka, PATIENCE);
    let Reading { records, begin, end, .. } = logs.read(&topic, partition, Start::At(offset), None, 1).await?;
    let Some(record) = records.into_iter().find(|record| record.offset == offset) else {
        let holds = format!("it holds offsets from {begin} to before {end}");
        return Err(SeeError::Missing(format!("{topic}/{partition} has no record at offset {offset}: {holds}")));
    };
    let opened = Opened::of(record, &kafka.topic_prefix, &site.values, mask).await;
    let plans = if opened.view.claim.is_some() {
        Vec::new()
    } else {
        let wrong = |error: serde_json::Error| SeeError::Misunderstood(error.to_string());
        plans(&opened.record, &kafka.topic_prefix, site.tables(), mask).map_err(wrong)?
    };
    Ok(RecordPlans { record: opened.view, plans })
}
