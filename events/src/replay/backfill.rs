//! Where a group begins that has not run yet.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{CommitMode, Consumer as _},
};

use crate::{
    KafkaError, Logs,
    logs::{bounds, partitions},
};

/// An offset that a group is to begin at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartOffset {
    /// The topic, as Kafka names it.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// Records that are there from it on.
    pub records: u64,
}

impl Logs {
    /// The first offsets of records no older than `from`, or of all that there are, in every partition of topics that are
    /// named without the prefix. A partition without such a record begins at its end; a topic that is not there has none.
    pub async fn start_offsets(
        &self,
        topics: &[&str],
        from: Option<DateTime<Utc>>,
    ) -> Result<Vec<StartOffset>, KafkaError> {
        let topics: Vec<String> = topics.iter().map(|topic| self.config.topic(topic)).collect();
        self.ask(move |client, timeout| {
            let names = partitions(client, &topics, timeout)?;
            let bounds = bounds(client, &names, timeout)?;
            let mut list = TopicPartitionList::new();
            for (topic, partition) in bounds.keys() {
                let time = from.map_or(0, |from| from.timestamp_millis().max(0));
                list.add_partition_offset(topic, *partition, Offset::Offset(time))?;
            }
            let found = match from {
                Some(_) if list.count() > 0 => Some(client.offsets_for_times(list, timeout)?),
                _ => None,
            };
            let mut offsets: Vec<StartOffset> = bounds
                .into_iter()
                .map(|((topic, partition), (begin, end))| {
                    let offset = match &found {
                        None => begin,
                        Some(found) => match found.find_partition(&topic, partition).map(|element| element.offset()) {
                            Some(Offset::Offset(offset)) => offset.max(begin),
                            _ => end,
                        },
                    };
                    let records = u64::try_from(end - offset).unwrap_or_default();
                    StartOffset { topic, partition, offset, records }
                })
                .collect();
            offsets.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
            Ok(offsets)
        })
        .await
    }

    /// Commits offsets for the group, which nobody may be in.
    pub async fn commit_starts(&self, offsets: Vec<StartOffset>) -> Result<(), KafkaError> {
        self.ask(move |client, _| {
            let mut list = TopicPartitionList::new();
            for StartOffset { topic, partition, offset, .. } in &offsets {
                list.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
            }
            Ok(client.commit(&list, CommitMode::Sync)?)
        })
        .await
    }
}
