//! Servers that may be away: what they said last.

use std::{sync::Arc, time::Duration};

use futures::future::try_join_all;
use millgate_bridge::saga::Census;
use millgate_events::{KafkaConfig, KafkaError, Logs};
use serde::Serialize;

use super::{background::Background, groups::now};
use crate::{Follower, Reader, Site};

/// Kafka is asked no more often than that.
const LAGS_EVERY: Duration = Duration::from_secs(4);
/// Nor are the others.
const OTHERS_EVERY: Duration = Duration::from_secs(10);
/// For one question.
const PATIENCE: Duration = Duration::from_secs(4);

/// What servers said when they were last asked, in the background of a look. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Outside {
    lags: Background<Result<Arc<[PartitionLag]>, String>>,
    streams: Background<Result<Arc<[PartitionLag]>, String>>,
    policy: Background<Result<String, String>>,
    letters: Background<Result<(), String>>,
    sagas: Background<Result<Arc<[Census]>, String>>,
}

/// How far a group, or a stream, is behind in a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartitionLag {
    /// `main`, the name of the group, or that of the stream.
    pub reader: String,
    /// The topic, without the prefix.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// Records that are not known to be handed off, or in the stream's tables.
    pub records: u64,
    /// The age of the first of them; nothing if it is not known, or there is none.
    pub seconds: Option<u64>,
}

/// What a server said last: nothing yet, or that it is away.
pub(super) type Last<T> = Option<Result<T, String>>;

impl Outside {
    /// How far the groups are behind.
    pub(super) fn lags(&self, site: &Site) -> Last<Arc<[PartitionLag]>> {
        let readers = site.readers.clone();
        self.lags.look(LAGS_EVERY, move || async move {
            let of_reader = |reader: &Reader| {
                let topics: Vec<String> = reader.routes.topics().map(str::to_owned).collect();
                lags(reader.name.to_owned(), reader.kafka.clone(), topics)
            };
            all(readers.iter().map(of_reader)).await
        })
    }

    /// How far the streams are behind.
    pub(super) fn streams(&self, site: &Site) -> Last<Arc<[PartitionLag]>> {
        let streams = site.streams.clone();
        let of_stream = |stream: Follower| lags(stream.name, stream.kafka, stream.topics);
        self.streams.look(LAGS_EVERY, move || all(streams.into_iter().map(of_stream)))
    }

    /// What Redis does when its memory is full.
    pub(super) fn policy(&self, site: &Site) -> Last<String> {
        let queues = site.queues.clone();
        self.policy.look(OTHERS_EVERY, move || async move {
            queues.info().await.map(|info| info.maxmemory_policy).map_err(|error| error.to_string())
        })
    }

    /// Whether there is the table of dead letters, where there should be one.
    pub(super) fn letters(&self, site: &Site) -> Last<()> {
        let letters = site.letters.clone()?;
        self.letters.look(OTHERS_EVERY, move || async move { letters.check().await.map_err(|error| error.to_string()) })
    }

    /// How many sagas are how, of those that have not ended.
    pub(super) fn sagas(&self, site: &Site) -> Last<Arc<[Census]>> {
        let sagas = site.sagas.clone()?;
        self.sagas.look(OTHERS_EVERY, move || async move {
            sagas.census().await.map(Arc::from).map_err(|error| error.to_string())
        })
    }
}

/// All of them together.
async fn all(
    asked: impl Iterator<Item = impl Future<Output = Result<Vec<PartitionLag>, KafkaError>>>,
) -> Result<Arc<[PartitionLag]>, String> {
    let lags = try_join_all(asked).await.map_err(|error| error.to_string())?;
    Ok(lags.into_iter().flatten().collect())
}

async fn lags(reader: String, kafka: KafkaConfig, topics: Vec<String>) -> Result<Vec<PartitionLag>, KafkaError> {
    let logs = Logs::new(&kafka, PATIENCE);
    let committed = try_join_all(topics.iter().map(|topic| logs.committed(topic))).await?;
    let partitions = committed.into_iter().flatten().map(|at| (Arc::from(at.topic), at.partition)).collect();
    let now = now();
    let lags = logs.lags(partitions).await?.into_iter().map(|lag| PartitionLag {
        reader: reader.clone(),
        topic: lag.topic.strip_prefix(&kafka.topic_prefix).unwrap_or(&lag.topic).to_owned(),
        partition: lag.partition,
        records: lag.records,
        seconds: lag.first.map(|first| (now - first).to_std().unwrap_or_default().as_secs()),
    });
    Ok(lags.collect())
}
