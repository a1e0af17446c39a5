//! Consumer groups as one sees them: how far they are, who is in them.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use chrono::{DateTime, Utc};
use futures::future::try_join_all;
use millgate_bridge::{Choice, Watermarks};
use millgate_events::{KafkaConfig, Lag, Logs, Membership};
use serde::Serialize;

use super::SeeError;
use crate::{Follower, Reader, Site};

/// For one question to Kafka.
pub(super) const PATIENCE: Duration = Duration::from_secs(8);

/// How far a group is in one partition.
#[derive(Debug, Clone, Serialize)]
pub struct GroupLag {
    /// The consumer group.
    pub group: String,
    /// What the application calls it.
    pub name: String,
    /// The topic, as Kafka names it.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The next offset to be handed off; nothing: the group has none.
    pub committed: Option<i64>,
    /// The first offset that is still there.
    pub begin: i64,
    /// The offset of the partition's next record.
    pub end: i64,
    /// Records that are not known to be handed off.
    pub lag: u64,
    /// The age of the first of them.
    pub lag_seconds: u64,
    /// The member that has the partition, by its id, where that was asked for and is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
}

/// How far a queue is in a partition.
#[derive(Debug, Clone, Serialize)]
pub struct WatermarkView {
    /// The queue.
    pub queue: String,
    /// The topic, as Kafka names it.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The last record that the queue has.
    pub stored: Option<i64>,
    /// The last one that the bridge has noted.
    pub expected: Option<i64>,
    /// `well`, or how these go together: `behind`, `gone`, `empty`, `another`.
    pub finding: &'static str,
}

/// A consumer group with everything.
#[derive(Debug, Serialize)]
pub struct GroupView {
    /// The consumer group.
    pub group: String,
    /// What the application calls it.
    pub name: String,
    /// Who is in it; nothing if Kafka does not know the group.
    pub membership: Option<Membership>,
    /// Records that are not known to be handed off.
    pub lag: u64,
    /// The age of the oldest of them.
    pub lag_seconds: u64,
    /// How far it is in each partition.
    pub partitions: Vec<GroupLag>,
    /// How far its queues are.
    pub watermarks: Vec<WatermarkView>,
}

/// The group of that name, of that stream, or of the orchestrators (`sagas`): the application's name for it, or Kafka's.
pub async fn group_named(site: &Site, name: &str) -> Result<GroupView, SeeError> {
    let is_meant = |reader: &&Reader| reader.name == name || reader.kafka.consumer_group == name;
    if let Some(reader) = site.readers.iter().find(is_meant) {
        return group(site, reader).await;
    }
    let is_meant = |stream: &&Follower| stream.name == name || stream.kafka.consumer_group == name;
    if let Some(stream) = site.followers().find(is_meant) {
        return stream_group(stream).await;
    }
    let streams = site.followers().map(|stream| stream.name.as_str());
    let known: Vec<&str> = site.readers.iter().map(|reader| reader.name).chain(streams).collect();
    Err(SeeError::Missing(format!("there is no group `{name}`; there are: {}", known.join(", "))))
}

/// How far a group is in each partition of its topics, or of one of them.
pub async fn lags(reader: &Reader, topic: Option<&str>) -> Result<Vec<GroupLag>, SeeError> {
    lags_in(reader.name, &reader.kafka, reader.routes.topics(), topic).await
}

/// The same of a stream.
pub async fn stream_lags(stream: &Follower, topic: Option<&str>) -> Result<Vec<GroupLag>, SeeError> {
    lags_in(&stream.name, &stream.kafka, stream.topics.iter().map(String::as_str), topic).await
}

async fn lags_in<'a>(
    name: &str,
    kafka: &KafkaConfig,
    topics: impl Iterator<Item = &'a str>,
    topic: Option<&str>,
) -> Result<Vec<GroupLag>, SeeError> {
    let chosen: Vec<&str> = topics.filter(|known| topic.is_none_or(|topic| topic == *known)).collect();
    let (lags, now) = (Logs::new(kafka, PATIENCE).lags_of(&chosen).await?, now());
    let view = |lag: Lag| GroupLag {
        group: kafka.consumer_group.clone(),
        name: name.to_owned(),
        topic: lag.topic.to_string(),
        partition: lag.partition,
        committed: lag.committed,
        begin: lag.begin,
        end: lag.end,
        lag: lag.records,
        lag_seconds: lag.first.and_then(|first| (now - first).to_std().ok()).unwrap_or_default().as_secs(),
        member: None,
    };
    Ok(lags.into_iter().map(view).collect())
}

/// A group with everything.
pub async fn group(site: &Site, reader: &Reader) -> Result<GroupView, SeeError> {
    let logs = Logs::new(&reader.kafka, PATIENCE);
    let (watermarks, choice) = (Watermarks::new(&reader.kafka, &reader.routes, site.queues.clone()), Choice::default());
    let (partitions, membership, watermarks) =
        tokio::try_join!(lags(reader, None), async { Ok::<_, SeeError>(logs.membership().await?) }, async {
            Ok(watermarks.list(&choice).await?)
        },)?;
    let watermarks = watermarks.into_iter().map(|state| WatermarkView {
        queue: state.queue,
        topic: state.topic,
        partition: state.partition,
        stored: state.stored.map(|stored| stored.offset),
        expected: state.expected,
        finding: state.finding.word(),
    });
    let view = GroupView::of(reader.name, &reader.kafka, partitions, membership);
    Ok(GroupView { watermarks: watermarks.collect(), ..view })
}

/// The group of a stream, or of orchestrators. It fills no queues, so it has no watermarks.
pub async fn stream_group(stream: &Follower) -> Result<GroupView, SeeError> {
    let logs = Logs::new(&stream.kafka, PATIENCE);
    let (partitions, membership) =
        tokio::try_join!(stream_lags(stream, None), async { Ok::<_, SeeError>(logs.membership().await?) })?;
    Ok(GroupView::of(&stream.name, &stream.kafka, partitions, membership))
}

/// All groups, the main one first, those of streams and of orchestrators last.
pub async fn groups(site: &Site) -> Result<Vec<GroupView>, SeeError> {
    let readers = try_join_all(site.readers.iter().map(|reader| group(site, reader)));
    let streams = try_join_all(site.followers().map(stream_group));
    let (mut groups, streams) = tokio::try_join!(readers, streams)?;
    groups.extend(streams);
    Ok(groups)
}

impl GroupView {
    fn of(name: &str, kafka: &KafkaConfig, mut partitions: Vec<GroupLag>, membership: Option<Membership>) -> Self {
        if let Some(membership) = &membership {
            put_members(&mut partitions, membership);
        }
        Self {
            group: kafka.consumer_group.clone(),
            name: name.to_owned(),
            lag: partitions.iter().map(|lag| lag.lag).sum(),
            lag_seconds: partitions.iter().map(|lag| lag.lag_seconds).max().unwrap_or_default(),
            membership,
            watermarks: Vec::new(),
            partitions,
        }
    }
}

/// Says who has which partition.
fn put_members(partitions: &mut [GroupLag], membership: &Membership) {
    let mut holders: HashMap<(&str, i32), &str> = HashMap::new();
    for member in &membership.members {
        for (topic, numbers) in member.assignment.iter().flatten() {
            holders.extend(numbers.iter().map(|number| ((topic.as_str(), *number), member.id.as_str())));
        }
    }
    for lag in partitions {
        lag.member = holders.get(&(lag.topic.as_str(), lag.partition)).map(|id| (*id).to_owned());
    }
}

#[expect(clippy::disallowed_methods, reason = "the age of a record is its age now")]
pub(super) fn now() -> DateTime<Utc> {
    SystemTime::now().into()
}
