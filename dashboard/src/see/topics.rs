//! Topics as one sees them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::future::try_join_all;
use millgate_events::{Logs, PartitionLayout, TopicAdmin, TopicLayout};
use serde::Serialize;

use super::{
    SeeError,
    groups::{GroupLag, PATIENCE, lags, stream_lags},
};
use crate::Site;

/// Topics that anybody reads through.
const MOST: usize = 200;

/// What a topic is to the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TopicRole {
    /// Its events come on it.
    Own,
    /// Its dead letters go there.
    DeadLetters,
    /// Somebody else's.
    Other,
}

/// How far a group is on a topic.
#[derive(Debug, Clone, Serialize)]
pub struct TopicLag {
    /// What the application calls the group, or the stream.
    pub group: String,
    /// Records that are not known to be handed off.
    pub lag: u64,
    /// The age of the oldest of them.
    pub lag_seconds: u64,
}

/// A topic.
#[derive(Debug, Clone, Serialize)]
pub struct TopicView {
    /// Its name, as Kafka has it.
    pub name: String,
    /// What it is to the application.
    pub role: TopicRole,
    /// Records that it holds, or held before it was compacted.
    pub records: u64,
    /// Its partitions.
    pub partitions: Vec<PartitionLayout>,
    /// For how long records are kept, in milliseconds; -1: for ever. Nothing if it was not asked for.
    pub retention_ms: Option<i64>,
    /// `delete`, `compact`, or both.
    pub cleanup_policy: Option<String>,
    /// A record has to be on so many replicas before it is acked.
    pub min_in_sync: Option<u64>,
    /// How far the application's groups are.
    pub groups: Vec<TopicLag>,
    /// All its settings, where one topic is looked at.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
}

impl TopicView {
    /// Partitions of which some copy is not up to date, or that nobody leads.
    pub fn unwell(&self) -> usize {
        let is_unwell = |it: &&PartitionLayout| it.leader < 0 || it.in_sync.len() < it.replicas.len();
        self.partitions.iter().filter(is_unwell).count()
    }
}

/// Topics, those of the application first.
#[derive(Debug, Serialize)]
pub struct TopicList {
    /// These.
    pub topics: Vec<TopicView>,
    /// Topics of the application that are not there, without the prefix.
    pub missing: Vec<String>,
    /// So many more are there.
    pub left_out: usize,
}

/// What topics are to the application, by their names in Kafka.
fn roles(site: &Site) -> HashMap<String, TopicRole> {
    let kafka = site.kafka();
    let dead = site.dead_letter_topics.iter().map(|name| (kafka.topic(name), TopicRole::DeadLetters));
    let mut roles: HashMap<String, TopicRole> = dead.collect();
    let folded = site.streams.iter().flat_map(|stream| &stream.topics);
    roles.extend(folded.map(|name| (kafka.topic(name), TopicRole::Own)));
    let read = site.readers.iter().flat_map(|reader| reader.routes.topics());
    roles.extend(read.map(|name| (kafka.topic(name), TopicRole::Own)));
    roles
}

/// A topic's name as Kafka has it, if it can be one.
pub(super) fn full_name(site: &Site, name: &str) -> Result<String, SeeError> {
    let is_of_names = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || !name.chars().all(is_of_names) {
        return Err(SeeError::Missing(format!("no topic can be named {name:?}")));
    }
    let kafka = site.kafka();
    Ok(if name.starts_with(&kafka.topic_prefix) { name.to_owned() } else { kafka.topic(name) })
}

/// All topics under the prefix, without Kafka's own.
pub async fn topics(site: &Site) -> Result<TopicList, SeeError> {
    let (kafka, roles) = (site.kafka(), roles(site));
    let (logs, ranks) = (Logs::new(&kafka, PATIENCE), roles.clone());
    let rank = move |name: &str| ranks.get(name).copied().unwrap_or(TopicRole::Other);
    let names: Vec<&str> = roles.keys().map(String::as_str).collect();
    let ((layouts, all), settings, lags, folded) = tokio::try_join!(
        async { Ok::<_, SeeError>(logs.layouts(rank, MOST).await?) },
        settings(site, &names),
        try_join_all(site.readers.iter().map(|reader| lags(reader, None))),
        try_join_all(site.streams.iter().map(|stream| stream_lags(stream, None))),
    )?;
    let lags: Vec<GroupLag> = lags.into_iter().chain(folded).flatten().collect();
    let left_out = all - layouts.len();
    let there: BTreeSet<&str> = layouts.iter().map(|layout| layout.name.as_str()).collect();
    let mut missing: Vec<String> =
        roles.keys().filter(|name| left_out == 0 && !there.contains(name.as_str())).cloned().collect();
    missing.sort();
    let view = |layout: TopicLayout| {
        let role = roles.get(&layout.name).copied().unwrap_or(TopicRole::Other);
        let settings = settings.get(&layout.name).map(Vec::as_slice).unwrap_or_default();
        TopicView { settings: BTreeMap::new(), ..view(layout, role, settings, &lags) }
    };
    Ok(TopicList { topics: layouts.into_iter().map(view).collect(), missing, left_out })
}

/// One topic, by its name with the prefix or without.
pub async fn topic(site: &Site, name: &str) -> Result<TopicView, SeeError> {
    let kafka = site.kafka();
    let logs = Logs::new(&kafka, PATIENCE);
    let full = full_name(site, name)?;
    let own = full.strip_prefix(kafka.topic_prefix.as_str()).unwrap_or(&full);
    let wanted = [full.as_str()];
    let readers = site.readers.iter().filter(|reader| reader.routes.topics().any(|topic| topic == own));
    let streams = site.streams.iter().filter(|stream| stream.topics.iter().any(|topic| topic == own));
    let (layout, settings, lags, folded) = tokio::try_join!(
        async { Ok::<_, SeeError>(logs.layout(&full).await?) },
        settings(site, &wanted),
        try_join_all(readers.map(|reader| lags(reader, Some(own)))),
        try_join_all(streams.map(|stream| stream_lags(stream, Some(own)))),
    )?;
    let missing = || {
        let advice = "`millgate topics list` shows those that are, `millgate topics apply` creates the application's";
        SeeError::Missing(format!("there is no topic {full}; {advice}"))
    };
    let layout = layout.ok_or_else(missing)?;
    let role = roles(site).get(&full).copied().unwrap_or(TopicRole::Other);
    let settings = settings.get(&full).map(Vec::as_slice).unwrap_or_default();
    Ok(view(layout, role, settings, &lags.into_iter().chain(folded).flatten().collect::<Vec<_>>()))
}

type Settings = HashMap<String, Vec<(String, String)>>;

async fn settings(site: &Site, names: &[&str]) -> Result<Settings, SeeError> {
    Ok(TopicAdmin::new(&site.kafka(), PATIENCE)?.settings_of(names).await?)
}

fn view(layout: TopicLayout, role: TopicRole, settings: &[(String, String)], lags: &[GroupLag]) -> TopicView {
    let TopicLayout { name, partitions } = layout;
    let settings: BTreeMap<String, String> = settings.iter().cloned().collect();
    let number = |setting: &str| settings.get(setting).and_then(|value| value.parse::<i64>().ok());
    let mut groups: Vec<TopicLag> = Vec::new();
    for lag in lags.iter().filter(|lag| lag.topic == name) {
        match groups.iter_mut().find(|known| known.group == lag.name) {
            Some(known) => {
                known.lag += lag.lag;
                known.lag_seconds = known.lag_seconds.max(lag.lag_seconds);
            }
            None => groups.push(TopicLag { group: lag.name.clone(), lag: lag.lag, lag_seconds: lag.lag_seconds }),
        }
    }
    TopicView {
        role,
        records: partitions.iter().map(PartitionLayout::records).sum(),
        partitions,
        retention_ms: number("retention.ms"),
        cleanup_policy: settings.get("cleanup.policy").cloned(),
        min_in_sync: number("min.insync.replicas").and_then(|count| u64::try_from(count).ok()),
        groups,
        settings,
        name,
    }
}
