//! A topic as it grows: all of its partitions, from a time on, for whoever needs no group since he begins anew each time.

use std::{collections::BTreeSet, sync::Arc, thread, time::Duration};

use chrono::{DateTime, Utc};
use rdkafka::{Offset, TopicPartitionList, consumer::Consumer as _};
use tokio::sync::mpsc;
use tracing::debug;

use crate::{
    KafkaConfig, KafkaError, Record,
    complaints::Silent,
    logs::{Asker, Name, bounds, partitions},
};

/// For an answer of Kafka.
const QUESTION: Duration = Duration::from_secs(10);
/// Between two attempts, and two looks whether somebody still listens.
const BEAT: Duration = Duration::from_millis(200);
/// So often it is looked whether there are more partitions.
const LOOK: Duration = Duration::from_secs(10);
/// Records that wait for their reader; then no more are fetched.
const ROOM: usize = 10_000;

/// Records of a topic from a time on, as they come. Dropped, it ends.
pub struct LogTail(mpsc::Receiver<Record>);

impl LogTail {
    /// Reads a topic, which is named without the prefix. It need not be there yet, nor Kafka.
    pub fn start(kafka: &KafkaConfig, topic: &str, since: DateTime<Utc>) -> Result<Self, KafkaError> {
        let (give, take) = mpsc::channel(ROOM);
        let topic = kafka.topic(topic);
        let mut settings = kafka.consumer();
        settings.set("group.id", format!("{}.tail", kafka.consumer_group)).set("auto.offset.reset", "earliest");
        let client: Asker =
            settings.create_with_context(Silent).map_err(|error| KafkaError::Config(error.to_string()))?;
        thread::spawn(move || {
            let mut tail = Tail { client, topic, since, known: BTreeSet::new() };
            while !give.is_closed() {
                if let Err(problem) = tail.follow(&give) {
                    debug!(%problem, topic = tail.topic, "a topic cannot be followed just now; trying on");
                    thread::sleep(BEAT);
                }
            }
        });
        Ok(Self(take))
    }

    /// The next record.
    pub async fn next(&mut self) -> Option<Record> {
        self.0.recv().await
    }
}

struct Tail {
    client: Asker,
    topic: String,
    since: DateTime<Utc>,
    known: BTreeSet<Name>,
}

impl Tail {
    /// For a while, after which it is looked again which partitions there are.
    fn follow(&mut self, give: &mpsc::Sender<Record>) -> Result<(), KafkaError> {
        self.assign()?;
        let (name, began): (Arc<str>, _) = (self.topic.as_str().into(), std::time::Instant::now());
        while began.elapsed() < if self.known.is_empty() { BEAT } else { LOOK } {
            match self.client.poll(BEAT) {
                None if give.is_closed() => break,
                Some(Ok(message)) if give.blocking_send(Record::of(&message, name.clone())).is_err() => break,
                None | Some(Ok(_)) => {}
                Some(Err(problem)) => {
                    debug!(%problem, topic = self.topic, "a topic cannot be read just now; trying on");
                }
            }
        }
        Ok(())
    }

    /// Adds partitions that are new.
    fn assign(&mut self) -> Result<(), KafkaError> {
        let found = partitions(&self.client, std::slice::from_ref(&self.topic), QUESTION)?;
        let fresh: Vec<Name> = found.into_iter().filter(|name| !self.known.contains(name)).collect();
        if fresh.is_empty() {
            return Ok(());
        }
        // Asked first: what comes meanwhile is not passed over.
        let ends = bounds(&self.client, &fresh, QUESTION)?;
        let mut times = TopicPartitionList::new();
        for (topic, partition) in &fresh {
            times.add_partition_offset(topic, *partition, Offset::Offset(self.since.timestamp_millis().max(0)))?;
        }
        let found = self.client.offsets_for_times(times, QUESTION)?;
        let mut from = TopicPartitionList::new();
        for name in fresh {
            let Some((_, end)) = ends.get(&name) else { continue };
            let offset = match found.find_partition(&name.0, name.1).map(|element| element.offset()) {
                Some(Offset::Offset(offset)) => offset,
                // Nothing of it is so late.
                _ => *end,
            };
            from.add_partition_offset(&name.0, name.1, Offset::Offset(offset))?;
            self.known.insert(name);
        }
        Ok(self.client.incremental_assign(&from)?)
    }
}
