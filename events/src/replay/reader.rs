//! Reads partitions from where a replay is to where it ends, on a thread and by a client of its own, which is in no group.

use std::{
    collections::BTreeMap,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    Message as _, Offset, TopicPartitionList, consumer::Consumer as _, error::KafkaError as Client,
    error::RDKafkaErrorCode as Code, message::BorrowedMessage,
};
use tokio::sync::mpsc;

use super::{Progress, Selection};
use crate::{
    KafkaConfig, KafkaError, Record,
    complaints::Silent,
    logs::{Asker, bounds},
};

/// Bytes of records in a chunk, about.
const MOST_BYTES: usize = 4 << 20;
/// Records that are looked at for a chunk: where few are wanted, it is noted all the same how far it is.
const MOST_LOOKED_AT: u64 = 5_000;
/// What is there is given after so long, though there be more to come.
const BEAT: Duration = Duration::from_millis(200);
/// For an answer of Kafka.
const QUESTION: Duration = Duration::from_secs(10);
/// Where nothing comes for so long after a connection was lost, it is said.
const SILENCE: Duration = Duration::from_secs(10);
/// So often it is asked, where offsets are missing, whether Kafka has deleted what was there.
const LOOK: Duration = Duration::from_secs(1);

/// Fetches of its own, and not many at a time: those who live from these topics come first.
const SETTINGS: [(&str, &str); 5] = [
    ("enable.partition.eof", "true"),
    ("auto.offset.reset", "earliest"),
    ("fetch.max.bytes", "8388608"),
    ("queued.max.messages.kbytes", "4096"),
    ("statistics.interval.ms", "0"),
];

/// Some records of a topic, and how far that is.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    /// The topic, as Kafka names it.
    pub(super) topic: Arc<str>,
    /// Those that may be wanted, in the order of each partition.
    pub(super) records: Vec<Record>,
    /// By partition the offset behind the last one that was looked at.
    pub(super) ends: BTreeMap<i32, i64>,
    /// How many were looked at.
    pub(super) looked_at: u64,
    /// Offsets that Kafka has deleted: partition, the first, and the one behind the last.
    pub(super) expired: Vec<(i32, i64, i64)>,
}

/// Chunks, topic by topic. Dropped, it ends.
pub(super) struct Reader(mpsc::Receiver<Result<Chunk, KafkaError>>);

impl Reader {
    /// Reads on from where `progress` is, in chunks of at most so many records.
    pub(super) fn start(config: &KafkaConfig, selection: &Selection, progress: &Progress, most: usize) -> Self {
        let (give, take) = mpsc::channel(2);
        let mut topics: BTreeMap<Arc<str>, BTreeMap<i32, Stretch>> = BTreeMap::new();
        for span in progress.spans.iter().filter(|span| !span.is_done()) {
            let stretch = Stretch { next: span.next, until: span.until, looked: None };
            topics.entry(span.topic.clone()).or_default().insert(span.partition, stretch);
        }
        let (config, selection) = (config.clone(), selection.clone());
        thread::spawn(move || {
            for (topic, open) in topics {
                let reading = Reading { config: &config, selection: &selection, topic, open, most, give: &give };
                match reading.run() {
                    Ok(()) => {}
                    Err(Stop::Wrong(error)) => return drop(give.blocking_send(Err(error))),
                    Err(Stop::Unheard) => return,
                }
            }
        });
        Self(take)
    }

    /// The next one; nothing: that was all.
    pub(super) async fn next(&mut self) -> Option<Result<Chunk, KafkaError>> {
        self.0.recv().await
    }
}

/// What is left of a partition.
struct Stretch {
    next: i64,
    until: i64,
    /// When Kafka was last asked where it begins.
    looked: Option<Instant>,
}

/// One topic at a time: the end of a partition is told without the topic's name.
struct Reading<'a> {
    config: &'a KafkaConfig,
    selection: &'a Selection,
    topic: Arc<str>,
    open: BTreeMap<i32, Stretch>,
    most: usize,
    give: &'a mpsc::Sender<Result<Chunk, KafkaError>>,
}

/// Why reading ends before its end.
enum Stop {
    /// Nobody listens any more.
    Unheard,
    Wrong(KafkaError),
}

impl From<KafkaError> for Stop {
    fn from(error: KafkaError) -> Self {
        Self::Wrong(error)
    }
}

impl Reading<'_> {
    fn run(mut self) -> Result<(), Stop> {
        let client = self.connect()?;
        let mut chunk = self.empty();
        self.begin(&client, &mut chunk)?;
        let (mut bytes, mut began) = (0, Instant::now());
        let mut lost: Option<(Instant, Client)> = None;
        while !self.open.is_empty() {
            if self.give.is_closed() {
                return Err(Stop::Unheard);
            }
            match client.poll(BEAT) {
                None => {}
                Some(Ok(message)) => {
                    lost = None;
                    if let Some(record) = self.look(&client, &message, &mut chunk)? {
                        bytes += record.size();
                        chunk.records.push(record);
                    }
                }
                // The log ends here; what it was to end at was there when it was asked.
                Some(Err(Client::PartitionEOF(partition))) => {
                    lost = None;
                    self.close(&client, partition, &mut chunk)?;
                }
                // It connects again by itself, and tries for ever.
                Some(Err(error)) if is_passing(&error) => {
                    lost.get_or_insert_with(|| (Instant::now(), error));
                }
                Some(Err(error)) => return Err(wrong(error)),
            }
            if let Some((_, error)) = lost.take_if(|(since, _)| since.elapsed() > SILENCE) {
                return Err(wrong(error));
            }
            let is_full = chunk.records.len() >= self.most || bytes >= MOST_BYTES || chunk.looked_at >= MOST_LOOKED_AT;
            if is_full || (began.elapsed() >= BEAT && !chunk.ends.is_empty()) {
                self.give(std::mem::replace(&mut chunk, self.empty()))?;
                (bytes, began) = (0, Instant::now());
            }
        }
        if chunk.ends.is_empty() { Ok(()) } else { self.give(chunk) }
    }

    fn connect(&self) -> Result<Asker, Stop> {
        let mut settings = self.config.consumer();
        // A name by which brokers can set a quota.
        settings.set("client.id", format!("{}-replay", self.config.client_id));
        settings.set("group.id", format!("{}.replay", self.config.consumer_group));
        for (name, value) in SETTINGS {
            settings.set(name, value);
        }
        settings.create_with_context(Silent).map_err(|error| KafkaError::Config(error.to_string()).into())
    }

    /// From where each partition is, or begins by now.
    fn begin(&mut self, client: &Asker, chunk: &mut Chunk) -> Result<(), Stop> {
        let names: Vec<_> = self.open.keys().map(|partition| (self.topic.clone(), *partition)).collect();
        let bounds = bounds(client, &names, QUESTION)?;
        let mut list = TopicPartitionList::new();
        for (partition, stretch) in &mut self.open {
            let Some((begin, _)) = bounds.get(&(self.topic.clone(), *partition)) else {
                return Err(KafkaError::UnknownTopic(self.topic.to_string()).into());
            };
            expire(*partition, stretch, *begin, chunk);
            let next = Offset::Offset(stretch.next);
            list.add_partition_offset(&self.topic, *partition, next).map_err(wrong)?;
        }
        self.open.retain(|_, stretch| stretch.next < stretch.until);
        client.assign(&list).map_err(wrong)
    }

    fn look(
        &mut self,
        client: &Asker,
        message: &BorrowedMessage<'_>,
        chunk: &mut Chunk,
    ) -> Result<Option<Record>, Stop> {
        let (partition, offset) = (message.partition(), message.offset());
        let Some(stretch) = self.open.get_mut(&partition) else { return Ok(None) };
        if offset > stretch.next && stretch.looked.is_none_or(|at| at.elapsed() >= LOOK) {
            // Compaction leaves holes; what was deleted is not there from the beginning on.
            stretch.looked = Some(Instant::now());
            let (begin, _) = client.fetch_watermarks(&self.topic, partition, QUESTION).map_err(wrong)?;
            expire(partition, stretch, begin.min(offset), chunk);
        }
        if offset >= stretch.until {
            self.close(client, partition, chunk)?;
            return Ok(None);
        }
        stretch.next = offset + 1;
        let is_last = stretch.next >= stretch.until;
        chunk.looked_at += 1;
        chunk.ends.insert(partition, offset + 1);
        let record = Record::of(message, self.topic.clone());
        if is_last {
            self.close(client, partition, chunk)?;
        }
        let topic = self.topic.strip_prefix(self.config.topic_prefix.as_str()).unwrap_or(&self.topic);
        Ok(self.selection.may_want(&record, topic).then_some(record))
    }

    fn close(&mut self, client: &Asker, partition: i32, chunk: &mut Chunk) -> Result<(), Stop> {
        let Some(stretch) = self.open.remove(&partition) else { return Ok(()) };
        chunk.ends.insert(partition, stretch.until);
        let mut over = TopicPartitionList::new();
        over.add_partition(&self.topic, partition);
        client.pause(&over).map_err(wrong)
    }

    fn empty(&self) -> Chunk {
        Chunk { topic: self.topic.clone(), ..Chunk::default() }
    }

    fn give(&self, chunk: Chunk) -> Result<(), Stop> {
        self.give.blocking_send(Ok(chunk)).map_err(|_| Stop::Unheard)
    }
}

/// What lies before the log's beginning is gone.
fn expire(partition: i32, stretch: &mut Stretch, begin: i64, chunk: &mut Chunk) {
    let begin = begin.min(stretch.until);
    if begin > stretch.next {
        chunk.expired.push((partition, stretch.next, begin));
        chunk.ends.insert(partition, begin);
        stretch.next = begin;
    }
}

fn wrong(error: Client) -> Stop {
    Stop::Wrong(error.into())
}

fn is_passing(error: &Client) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(Code::BrokerTransportFailure | Code::AllBrokersDown | Code::OperationTimedOut | Code::Resolve)
    )
}
