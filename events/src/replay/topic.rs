//! Onto another topic: records, and how far that is, in one transaction of Kafka.

use std::{sync::Arc, time::Duration};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError as Client, RDKafkaErrorCode as Code},
    producer::{FutureProducer, FutureRecord, Producer as _},
};

use super::{Chosen, Destination, Progress, ReplayError, Taken, Tally};
use crate::{
    Headers, KafkaConfig, KafkaError,
    complaints::{Listening, Silent},
};

/// What a record that was replayed says of that: which replay, from which `topic/partition/offset`, how often it was
/// replayed from topic to topic by now, and the time that Kafka had it from there (ms since 1970).
pub const REPLAY_HEADERS: [&str; 4] = ["x-replay-id", "x-replay-from", "x-replay-hops", "x-replay-timestamp"];

/// What went from topic to topic so often goes round in circles.
const MOST_HOPS: u32 = 8;
/// For an answer of Kafka.
const PATIENCE: Duration = Duration::from_secs(30);

/// Puts records on another topic, with their keys and headers. Each once for readers that read what is committed, as all of
/// millgate does: a transaction has the records and the offsets up to which they are, so both are there or neither.
pub struct IntoTopic {
    config: KafkaConfig,
    topic: String,
    id: String,
    is_dry: bool,
    link: Option<Arc<Link>>,
}

/// The producer, and the group that has the offsets, which nobody ever joins.
struct Link {
    producer: FutureProducer<Listening>,
    group: BaseConsumer<Silent>,
}

/// A record on its way.
struct Outgoing {
    key: Option<bytes::Bytes>,
    value: Option<bytes::Bytes>,
    headers: Headers,
}

impl IntoTopic {
    /// The topic is named without the prefix. `id` is the replay's.
    pub fn new(config: &KafkaConfig, topic: &str, id: &str) -> Self {
        Self { config: config.clone(), topic: config.topic(topic), id: id.to_owned(), is_dry: false, link: None }
    }

    /// Counts what it would put there, and puts nothing.
    #[must_use]
    pub fn dry(self) -> Self {
        Self { is_dry: true, ..self }
    }

    fn connect(&self) -> Result<Link, KafkaError> {
        let wrong = |error: Client| KafkaError::Config(error.to_string());
        let group = format!("{}.replay-{}", self.config.consumer_group, self.id);
        let mut settings = self.config.producer();
        // Whoever did this replay before, and is not known to have ended, cannot commit any more.
        settings.set("transactional.id", &group).set("transaction.timeout.ms", "60000");
        // The rest of the time is for the transaction's own end.
        settings.set("message.timeout.ms", self.config.delivery_timeout.as_millis().clamp(1, 30_000).to_string());
        let producer = settings.create_with_context(Listening::default()).map_err(wrong)?;
        let mut settings = self.config.consumer();
        settings.set("group.id", &group);
        Ok(Link { producer, group: settings.create_with_context(Silent).map_err(wrong)? })
    }

    /// As it goes on; nothing for what goes round in circles.
    fn outgoing(&self, chosen: &Chosen) -> Option<Outgoing> {
        let record = &chosen.record;
        let hops = record.headers.text(REPLAY_HEADERS[2]).and_then(|hops| hops.parse::<u32>().ok()).unwrap_or_default();
        let is_own = record.headers.text(REPLAY_HEADERS[0]) == Some(self.id.as_str());
        if is_own || hops >= MOST_HOPS {
            return None;
        }
        let mut headers = record.headers.clone();
        headers.set(REPLAY_HEADERS[0], self.id.clone());
        headers.set(REPLAY_HEADERS[1], chosen.place());
        headers.set(REPLAY_HEADERS[2], (hops + 1).to_string());
        // With a time of today: with its own, the other topic's retention might remove it at once.
        if let Some(time) = record.timestamp {
            headers.set(REPLAY_HEADERS[3], time.to_string());
        }
        Some(Outgoing { key: record.key.clone(), value: record.value.clone(), headers })
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Link) -> Result<T, KafkaError> + Send + 'static,
    ) -> Result<T, ReplayError> {
        let link = self.link.clone().ok_or(KafkaError::Closed)?;
        let done = tokio::task::spawn_blocking(move || work(&link)).await.map_err(|_| KafkaError::Closed)?;
        Ok(done?)
    }
}

impl Destination for IntoTopic {
    async fn begin(&mut self, progress: &mut Progress) -> Result<(), ReplayError> {
        if self.is_dry {
            return Ok(());
        }
        self.link = Some(Arc::new(self.connect()?));
        let mut wanted = TopicPartitionList::new();
        for span in &progress.spans {
            wanted.add_partition(&span.topic, span.partition);
        }
        let topic = self.topic.clone();
        let committed = self
            .blocking(move |link| {
                let metadata = link.group.fetch_metadata(Some(&topic), PATIENCE)?;
                if metadata.topics().iter().all(|found| found.partitions().is_empty()) {
                    return Err(KafkaError::UnknownTopic(topic));
                }
                // What another process has begun is ended by this, one way or the other, before offsets are read.
                link.producer.init_transactions(PATIENCE)?;
                Ok(link.group.committed_offsets(wanted, PATIENCE)?)
            })
            .await?;
        for span in &mut progress.spans {
            let found = committed.find_partition(&span.topic, span.partition);
            if let Some(Offset::Offset(offset)) = found.map(|element| element.offset()) {
                span.next = span.next.max(offset.min(span.until));
            }
        }
        Ok(())
    }

    async fn take(
        &mut self,
        records: &[Chosen],
        progress: &mut Progress,
        tally: &mut Tally,
    ) -> Result<Taken, ReplayError> {
        let outgoing: Vec<Outgoing> = records.iter().filter_map(|chosen| self.outgoing(chosen)).collect();
        tally.count("records", outgoing.len() as u64);
        tally.count("records that go round in circles", (records.len() - outgoing.len()) as u64);
        if self.is_dry || outgoing.is_empty() {
            return Ok(Taken::All);
        }
        let topic = self.topic.clone();
        let mut offsets = TopicPartitionList::new();
        for span in &progress.spans {
            let next = Offset::Offset(span.next);
            offsets.add_partition_offset(&span.topic, span.partition, next).map_err(KafkaError::from)?;
        }
        self.blocking(move |link| {
            link.producer.begin_transaction()?;
            let sent = send(link, &topic, &outgoing, &offsets);
            if sent.is_err() {
                // Whatever it answers: the producer is made anew.
                let _ = link.producer.abort_transaction(PATIENCE);
            }
            sent
        })
        .await?;
        Ok(Taken::All)
    }
}

fn send(link: &Link, topic: &str, records: &[Outgoing], offsets: &TopicPartitionList) -> Result<(), KafkaError> {
    for Outgoing { key, value, headers } in records {
        let mut out = FutureRecord::<[u8], [u8]>::to(topic).headers(headers.to_kafka());
        (out.key, out.payload) = (key.as_deref(), value.as_deref());
        // Nobody waits for one of them: the transaction's end does, for all.
        while let Err((error, back)) = link.producer.send_result(out) {
            if error.rdkafka_error_code() != Some(Code::QueueFull) {
                return Err(KafkaError::of_delivery(error, topic, value.as_ref().map_or(0, bytes::Bytes::len)));
            }
            std::thread::sleep(Duration::from_millis(5));
            out = back;
        }
    }
    let group = link.group.group_metadata().ok_or(KafkaError::Closed)?;
    link.producer.send_offsets_to_transaction(offsets, &group, PATIENCE)?;
    // Fails if any of the records did.
    Ok(link.producer.commit_transaction(PATIENCE)?)
}
