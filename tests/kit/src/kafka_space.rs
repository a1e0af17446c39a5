//! A test's own topics and groups.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use millgate_events::{Headers, KafkaConfig, Record, TopicAdmin, TopicChange, TopicSpec};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions},
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::RDKafkaErrorCode,
    message::{BorrowedMessage, Header, Headers as _, OwnedHeaders},
    metadata::{MetadataPartition, MetadataTopic},
    producer::{FutureProducer, FutureRecord},
};

use crate::{address, logs, unique};

/// What is there, is there at once; this is for a machine that is busy with tests.
const PATIENCE: Duration = Duration::from_mins(1);

/// Topics under a prefix that nobody else uses, deleted with this value, and a group of the same
/// name. What it writes and reads goes past the code under test, by the client itself.
pub struct KafkaSpace {
    config: KafkaConfig,
    producer: OnceLock<FutureProducer>,
}

impl KafkaSpace {
    /// Names that begin with `name`, on the shared server.
    ///
    /// # Panics
    /// If the server does not answer.
    pub fn fresh(name: &str) -> Self {
        Self::at(&address::kafka_brokers(), name)
    }

    /// The same on another server, which need not be up.
    pub fn at(brokers: &str, name: &str) -> Self {
        logs();
        let name = unique(name);
        let config = KafkaConfig {
            brokers: brokers.to_owned(),
            topic_prefix: format!("{name}."),
            consumer_group: name,
            // A member that died is to be noticed within a test's patience.
            session_timeout: Duration::from_secs(6),
            ..KafkaConfig::default()
        };
        Self { config, producer: OnceLock::new() }
    }

    /// How to get there.
    pub fn config(&self) -> KafkaConfig {
        self.config.clone()
    }

    /// A topic's name as Kafka has it.
    pub fn name(&self, topic: &str) -> String {
        self.config.topic(topic)
    }

    /// Creates a topic, and returns when it can be used.
    pub async fn create(&self, topic: &str, partitions: usize) {
        let spec = TopicSpec {
            name: topic.to_owned(),
            partitions,
            replication: 1,
            retention: None,
            compaction: false,
            min_insync_replicas: None,
        };
        self.admin().apply(&[TopicChange::Create(spec)]).await.unwrap();
        // A broker answers "created" a little before it knows the topic itself.
        let (config, topic) = (self.config(), topic.to_owned());
        blocking(move || {
            let deadline = Instant::now() + PATIENCE;
            while high_marks(&config, &topic).len() < partitions {
                assert!(Instant::now() < deadline, "topic {topic} does not appear");
                thread::sleep(Duration::from_millis(10));
            }
        })
        .await;
    }

    /// An admin client for these topics.
    pub fn admin(&self) -> TopicAdmin {
        TopicAdmin::new(&self.config, PATIENCE).unwrap()
    }

    /// Puts one record on a partition as it is, and gives its offset.
    pub async fn put(
        &self,
        topic: &str,
        partition: i32,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, &str)],
    ) -> i64 {
        self.put_at(None, topic, partition, key, value, headers).await
    }

    /// The same with a time of its own, in milliseconds since 1970.
    pub async fn put_at(
        &self,
        time: Option<i64>,
        topic: &str,
        partition: i32,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, &str)],
    ) -> i64 {
        let producer = self.producer.get_or_init(|| {
            // Topics and partitions come and go in tests.
            let mut client = client(&self.config);
            client.set("acks", "all").set("topic.metadata.refresh.interval.ms", "500").create().unwrap()
        });
        let topic = self.name(topic);
        let headers = headers
            .iter()
            .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(*value) }));
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut record: FutureRecord<'_, [u8], [u8]> =
                FutureRecord::to(&topic).partition(partition).headers(headers.clone());
            (record.key, record.payload, record.timestamp) = (key, value, time);
            match producer.send(record, PATIENCE).await {
                Ok(delivery) => return delivery.offset,
                // This client does not know yet what was made a moment ago.
                Err((error, _))
                    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::UnknownPartition)
                        && Instant::now() < deadline =>
                {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err((error, _)) => panic!("{topic}: {error}"),
            }
        }
    }

    /// The topic's records from its beginning, partition by partition, once there are `count`.
    ///
    /// # Panics
    /// If there are fewer after half a minute. More than `count` are given, too.
    pub async fn records(&self, topic: &str, count: usize) -> Vec<Record> {
        let (config, topic) = (self.config(), topic.to_owned());
        blocking(move || read(&config, &topic, count)).await
    }

    /// Where each partition of a topic ends: the offset that its next record will get.
    pub async fn ends(&self, topic: &str) -> Vec<i64> {
        let (config, topic) = (self.config(), topic.to_owned());
        blocking(move || high_marks(&config, &topic)).await
    }

    /// What the group of this space has committed for each partition of a topic.
    pub async fn committed(&self, topic: &str) -> Vec<Option<i64>> {
        let (config, topic) = (self.config(), topic.to_owned());
        blocking(move || committed(&config, &topic)).await
    }

    /// Commits for the group of this space, which nobody may be in: partition, offset, and the note beside it.
    pub async fn commit(&self, topic: &str, offsets: &[(i32, i64, &str)]) {
        self.commit_as(&self.config.consumer_group, topic, offsets).await;
    }

    /// The same for another group.
    pub async fn commit_as(&self, group: &str, topic: &str, offsets: &[(i32, i64, &str)]) {
        let config = KafkaConfig { consumer_group: group.to_owned(), ..self.config() };
        let topic = self.name(topic);
        let offsets: Vec<_> =
            offsets.iter().map(|(partition, offset, note)| (*partition, *offset, (*note).to_owned())).collect();
        blocking(move || {
            let mut list = TopicPartitionList::new();
            for (partition, offset, note) in &offsets {
                let mut element = list.add_partition(&topic, *partition);
                element.set_offset(Offset::Offset(*offset)).unwrap();
                element.set_metadata(note);
            }
            consumer(&config).commit(&list, CommitMode::Sync).unwrap();
        })
        .await;
    }

    /// Removes a partition's records before an offset, as their retention would.
    pub async fn truncate(&self, topic: &str, partition: i32, before: i64) {
        let admin: AdminClient<_> = client(&self.config).create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.name(topic), partition, Offset::Offset(before)).unwrap();
        let removed = admin.delete_records(&list, &AdminOptions::new()).await.unwrap();
        removed.elements().iter().for_each(|element| element.error().unwrap());
    }

    /// The state of this space's group as the broker names it (`Stable`), and its number of members.
    pub async fn group(&self) -> (String, usize) {
        let config = self.config();
        blocking(move || {
            let groups = consumer(&config).fetch_group_list(Some(&config.consumer_group), PATIENCE).unwrap();
            let group = groups.groups().first();
            group.map_or_else(Default::default, |group| (group.state().to_owned(), group.members().len()))
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        // The message is the test's, with the place it comes from already printed.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

fn client(config: &KafkaConfig) -> ClientConfig {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", &config.brokers);
    client
}

fn consumer(config: &KafkaConfig) -> BaseConsumer {
    let mut client = client(config);
    client
        .set("group.id", &config.consumer_group)
        .set("enable.auto.commit", "false")
        .set("allow.auto.create.topics", "false")
        .set("auto.offset.reset", "earliest")
        .set("fetch.wait.max.ms", "50");
    client.create().unwrap()
}

/// Nothing for a topic that is not there.
fn high_marks(config: &KafkaConfig, topic: &str) -> Vec<i64> {
    let consumer = consumer(config);
    let name = config.topic(topic);
    let Ok(metadata) = consumer.fetch_metadata(Some(&name), PATIENCE) else { return Vec::new() };
    let partitions = metadata.topics().iter().flat_map(MetadataTopic::partitions);
    let mut numbers: Vec<i32> = partitions.map(MetadataPartition::id).collect();
    numbers.sort_unstable();
    let marks = numbers.into_iter().map(|partition| {
        let (_, high) = consumer.fetch_watermarks(&name, partition, PATIENCE).ok()?;
        Some(high)
    });
    marks.collect::<Option<_>>().unwrap_or_default()
}

fn committed(config: &KafkaConfig, topic: &str) -> Vec<Option<i64>> {
    let partitions = i32::try_from(high_marks(config, topic).len()).unwrap();
    let name = config.topic(topic);
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition(&name, partition);
    }
    let offsets = consumer(config).committed_offsets(list, PATIENCE).unwrap();
    let number = |offset| if let Offset::Offset(number) = offset { Some(number) } else { None };
    let by_partition: BTreeMap<_, _> =
        offsets.elements().iter().map(|at| (at.partition(), number(at.offset()))).collect();
    by_partition.into_values().collect()
}

fn read(config: &KafkaConfig, topic: &str, count: usize) -> Vec<Record> {
    let deadline = Instant::now() + PATIENCE;
    let marks = loop {
        let marks = high_marks(config, topic);
        // Offsets without gaps: nothing here is transactional or compacted.
        let there = usize::try_from(marks.iter().sum::<i64>()).unwrap();
        if there >= count {
            break marks;
        }
        assert!(Instant::now() < deadline, "{there} of {count} records on {topic}");
        thread::sleep(Duration::from_millis(20));
    };
    let consumer = consumer(config);
    let name = config.topic(topic);
    let mut list = TopicPartitionList::new();
    for partition in 0..i32::try_from(marks.len()).unwrap() {
        list.add_partition_offset(&name, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
    let all = usize::try_from(marks.iter().sum::<i64>()).unwrap();
    let mut records = Vec::with_capacity(all);
    while records.len() < all {
        match consumer.poll(Duration::from_millis(100)) {
            Some(message) => records.push(record(&message.unwrap())),
            None => assert!(Instant::now() < deadline, "{} of {all} read", records.len()),
        }
    }
    records.sort_by_key(|record| (record.partition, record.offset));
    records
}

fn record(message: &BorrowedMessage<'_>) -> Record {
    let mut headers = Headers::new();
    for header in message.headers().into_iter().flat_map(|headers| headers.iter()) {
        headers.push_raw(header.key.to_owned(), header.value.map(Bytes::copy_from_slice));
    }
    Record {
        topic: Arc::from(message.topic()),
        partition: message.partition(),
        offset: message.offset(),
        timestamp: message.timestamp().to_millis(),
        key: message.key().map(Bytes::copy_from_slice),
        value: message.payload().map(Bytes::copy_from_slice),
        headers,
    }
}

impl Drop for KafkaSpace {
    fn drop(&mut self) {
        // Of a test that failed, what lies on the topics is worth a look.
        if thread::panicking() {
            return;
        }
        let config = self.config();
        // The test's runtime cannot be waited on here, and may be going away.
        let cleaning = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            // A server that has gone takes its topics with it.
            let _ = runtime.block_on(remove(&config));
        });
        let _ = cleaning.join();
    }
}

async fn remove(config: &KafkaConfig) -> Result<(), millgate_events::KafkaError> {
    let admin = TopicAdmin::new(config, Duration::from_secs(5))?;
    let topics = admin.list().await?;
    let prefix = config.topic_prefix.as_str();
    let names: Vec<_> = topics.iter().filter_map(|topic| topic.name.strip_prefix(prefix)).collect();
    if names.is_empty() { Ok(()) } else { admin.delete(&names).await }
}
