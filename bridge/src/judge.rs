//! What to do where a queue's watermark is not what it was expected to be.

use chrono::{DateTime, Utc};
use millgate_events::{KafkaError, Logs, Record};
use millgate_jobs::Watermark;
use tracing::{error, info, warn};

use crate::{BridgeConfig, BridgeStats, WhenRedisIsEmpty, partition::Partition, trouble::Trouble};

/// Compares, and decides.
pub(crate) struct Judge {
    pub(crate) logs: Logs,
    pub(crate) config: BridgeConfig,
}

/// How to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// From now on this is expected of the queue.
    Expect(Option<i64>),
    /// The same, and the partition is to be read again from an offset on.
    Rewind { to: i64, expect: Option<i64> },
}

impl Judge {
    /// What to make of a queue that has `stored`, where `expected` should be.
    pub(crate) async fn decide(
        &self,
        queue: &str,
        partition: &Partition,
        expected: Option<i64>,
        stored: Option<Watermark>,
        stats: &BridgeStats,
    ) -> Result<Decision, Trouble> {
        let (topic, number) = (partition.holding.topic(), partition.holding.partition());
        match (expected, stored.map(|stored| stored.offset)) {
            (Some(expected), Some(stored)) if stored < expected => {
                let wanted = stored + 1;
                let (begins, _) = self.logs.bounds(topic, number).await?;
                if begins > wanted {
                    let (queue, topic) = (queue.to_owned(), topic.to_string());
                    return Err(Trouble::Gone { queue, topic, partition: number, wanted, begins });
                }
                error!(
                    queue, %topic, partition = number, stored, expected,
                    "Redis has less than was handed off: it went back in time, or somebody set it back; reading again"
                );
                stats.rewound();
                Ok(Decision::Rewind { to: wanted, expect: Some(stored) })
            }
            (Some(expected), None) => match self.config.when_redis_is_empty {
                WhenRedisIsEmpty::Halt => {
                    let (queue, topic) = (queue.to_owned(), topic.to_string());
                    Err(Trouble::RedisIsEmpty { queue, topic, partition: number, expected })
                }
                WhenRedisIsEmpty::GoOn => {
                    error!(queue, %topic, partition = number, expected, "Redis lost its data; going on without");
                    Ok(Decision::Expect(None))
                }
                WhenRedisIsEmpty::Rewind => {
                    let to = self.logs.offset_at(topic, number, now() - self.config.rewind_by).await?;
                    let (begins, _) = self.logs.bounds(topic, number).await?;
                    // Where there is nothing any more, Kafka might have us begin at the end.
                    let to = to.min(expected + 1).max(begins);
                    error!(queue, %topic, partition = number, expected, to, "Redis lost its data; reading again");
                    stats.rewound();
                    Ok(Decision::Rewind { to, expect: None })
                }
            },
            (expected, Some(stored)) => {
                if expected != Some(stored) {
                    info!(queue, %topic, partition = number, stored, "handed off up to here before");
                }
                Ok(Decision::Expect(Some(stored)))
            }
            (None, None) => Ok(Decision::Expect(None)),
        }
    }

    /// How many offsets Kafka deleted before they were handed off: of a partition that was to begin at `began`, and begins
    /// at `first`. Offsets may also be missing that never were events (of transactions), or were compacted away.
    pub(crate) async fn missed(&self, partition: &Partition, began: i64, first: i64) -> Result<u64, KafkaError> {
        if first <= began {
            return Ok(0);
        }
        let (topic, number) = (partition.holding.topic(), partition.holding.partition());
        let (begins, _) = self.logs.bounds(topic, number).await?;
        let missed = u64::try_from(begins - began).unwrap_or_default();
        if missed > 0 {
            error!(
                %topic, partition = number, began, begins,
                "Kafka deleted events before they were handed off; raise the topic's retention, or the bridge was away for too long"
            );
        }
        Ok(missed)
    }

    /// Proves that a partition still has the records that were handed off: what is taken for known is passed over, and
    /// a topic that was made anew has other events at the same offsets.
    pub(crate) async fn prove(
        &self,
        queue: &str,
        partition: &Partition,
        stored: Watermark,
        records: &[Record],
    ) -> Result<(), Trouble> {
        let (topic, number) = (partition.holding.topic(), partition.holding.partition());
        let is_it = |timestamp: Option<i64>| stored.timestamp < 0 || timestamp == Some(stored.timestamp);
        let another = |ends| {
            let (queue, topic) = (queue.to_owned(), topic.to_string());
            Err(Trouble::TopicIsAnother { queue, topic, partition: number, stored: stored.offset, ends })
        };
        if let Some(record) = records.iter().find(|record| record.offset == stored.offset)
            && is_it(record.timestamp)
        {
            return Ok(());
        }
        let (_, ends) = self.logs.bounds(topic, number).await?;
        if ends <= stored.offset {
            return another(ends);
        }
        match self.logs.record_at(topic, number, stored.offset).await? {
            Some(found) if found.offset == stored.offset && is_it(found.timestamp) => Ok(()),
            Some(found) if found.offset <= stored.offset => another(ends),
            // Compacted away: then those before it must not be newer than it was.
            _ => {
                let before = records.iter().filter(|record| record.offset < stored.offset);
                let newest = before.filter_map(|record| record.timestamp).max();
                if stored.timestamp >= 0 && newest.is_some_and(|newest| newest > stored.timestamp) {
                    return another(ends);
                }
                warn!(queue, %topic, partition = number, offset = stored.offset, "the last record that was handed off is gone");
                Ok(())
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "how far to go back is told from now, when Redis is found empty")]
fn now() -> DateTime<Utc> {
    Utc::now()
}
