//! Where a group begins that is new: a backfill of what happened before it was there.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use millgate_bridge::{Choice, Watermarks};
use millgate_events::{Logs, StartOffset};
use serde::{Deserialize, Serialize};

use super::{ActError, Performed, Preview};
use crate::{Reader, Site};

/// For an answer of Kafka.
const QUESTION: Duration = Duration::from_secs(10);

/// Where a group is to begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupStart {
    /// The group.
    pub group: String,
    /// With the first events that Kafka has from this time or later; nothing: with all that it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<DateTime<Utc>>,
    /// Also a group that has run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
}

impl GroupStart {
    /// In words.
    pub(super) fn sentence(&self) -> String {
        let from = self.from.map(|from| format!("events since {}", from.format("%Y-%m-%d %H:%M:%S UTC")));
        format!("let group {} begin with {}", self.group, from.unwrap_or_else(|| "all events that there are".into()))
    }
}

/// What would be set, by topic how much there is to do from there on.
async fn offsets<'a>(site: &'a Site, start: &GroupStart) -> Result<(&'a Reader, Logs, Vec<StartOffset>), ActError> {
    let reader = site.readers.iter().find(|reader| reader.name == start.group).ok_or_else(|| {
        let known: Vec<&str> = site.readers.iter().map(|reader| reader.name).collect();
        ActError::Refused(format!("there is no group `{}`; there are: {}", start.group, known.join(", ")))
    })?;
    let (logs, name) = (Logs::new(&reader.kafka, QUESTION), &start.group);
    let members = logs.membership().await?.map_or(0, |membership| membership.members.len());
    if members > 0 {
        let advice = format!("stop its bridges first (`millgate groups show {name}` shows them)");
        return Err(ActError::Refused(format!(
            "group {name} has {members} members, and so offsets that move; {advice}"
        )));
    }
    let topics: Vec<&str> = reader.routes.topics().collect();
    let has_run = logs.standings(&topics).await?.iter().any(|lag| lag.committed.is_some());
    if has_run && !start.force {
        return Err(ActError::Refused(format!(
            "group {name} has run, and goes on from where it was; to hand events off again that it has had: `millgate \
             watermarks rewind --group {name}`; to let it begin elsewhere all the same: --force"
        )));
    }
    let offsets = logs.start_offsets(&topics, start.from).await?;
    if offsets.is_empty() {
        let topics = topics.join(", ");
        return Err(ActError::Refused(format!(
            "none of its topics is there ({topics}); create them with `millgate topics apply`"
        )));
    }
    Ok((reader, logs, offsets))
}

fn outcome(start: &GroupStart, offsets: &[StartOffset], begins: &str) -> (u64, String) {
    let mut topics: BTreeMap<&str, u64> = BTreeMap::new();
    for offset in offsets {
        *topics.entry(&offset.topic).or_default() += offset.records;
    }
    let records = topics.values().sum();
    let each: Vec<String> = topics.iter().map(|(topic, records)| format!("{topic} {records}")).collect();
    (records, format!("group {} {begins} {records} events behind: {}", start.group, each.join(", ")))
}

pub(super) async fn would(site: &Site, start: &GroupStart, preview: Preview) -> Result<Preview, ActError> {
    let (_, _, offsets) = offsets(site, start).await?;
    let (records, text) = outcome(start, &offsets, "would begin");
    Ok(Preview { outcome: Some(text), count: Some(records), figures: [("events", records)].into(), ..preview })
}

pub(super) async fn start(site: &Site, start: &GroupStart) -> Result<Performed, ActError> {
    let (reader, logs, offsets) = offsets(site, start).await?;
    let (records, text) = outcome(start, &offsets, "begins");
    if start.force {
        // What is at or below a watermark would be passed over.
        let watermarks = Watermarks::new(&reader.kafka, &reader.routes, site.queues.clone());
        let rewound = watermarks.rewind(&Choice::default(), start.from).await;
        rewound.map_err(|error| ActError::Away(error.to_string()))?;
    }
    logs.commit_starts(offsets).await?;
    let mut performed = Performed::new(text);
    performed.count = Some(records);
    performed.figures = [("events", records)].into();
    Ok(performed)
}
