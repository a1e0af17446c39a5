//! Servers, events and streams of a test's own.

use std::time::Duration;

use millgate_events::{DeadLetters, Event, Headers, Producer, Record, Values};
use millgate_streams::{
    Resources, Stream, StreamConfig, StreamError, StreamRunner, migrate,
    windows::{StoredWindow, WindowStore},
};
use millgate_testkit::{Database, KafkaSpace, RedisSpace, wait_until};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const SOON: Duration = Duration::from_mins(2);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Viewed {
    pub(crate) page: String,
    pub(crate) amount: i64,
}

impl Event for Viewed {
    const TYPE: &'static str = "page.viewed";

    fn key(&self) -> String {
        self.page.clone()
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Popular {
    pub(crate) page: String,
    pub(crate) views: u64,
}

impl Event for Popular {
    const TYPE: &'static str = "page.popular";

    fn key(&self) -> String {
        self.page.clone()
    }
}

/// Another one of the same windows.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) page: String,
}

impl Event for Seen {
    const TYPE: &'static str = "page.seen";

    fn key(&self) -> String {
        self.page.clone()
    }
}

pub(crate) fn headers(time: i64) -> [(&'static str, String); 5] {
    let time = chrono::DateTime::from_timestamp_millis(time).unwrap();
    [
        ("ce_specversion", "1.0".into()),
        ("ce_id", format!("at-{time}")),
        ("ce_source", "test".into()),
        ("ce_type", Viewed::TYPE.into()),
        ("ce_time", time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)),
    ]
}

pub(crate) fn value(page: &str, amount: i64) -> Value {
    json!({ "page": page, "amount": amount })
}

/// A record that no Kafka has.
pub(crate) fn record(partition: i32, offset: i64, time: i64, page: &str, amount: i64) -> Record {
    let headers: Headers = headers(time).iter().map(|(name, value)| (*name, value.as_str())).collect();
    Record {
        topic: Viewed::TYPE.into(),
        partition,
        offset,
        timestamp: Some(time),
        key: None,
        value: Some(value(page, amount).to_string().into()),
        headers,
    }
}

pub(crate) struct Rig {
    pub(crate) kafka: KafkaSpace,
    pub(crate) redis: RedisSpace,
    pub(crate) database: Database,
}

impl Rig {
    pub(crate) async fn fresh(partitions: usize) -> Self {
        let (kafka, redis) = (KafkaSpace::fresh("windows"), RedisSpace::fresh("windows"));
        let database = Database::fresh(None).await;
        if partitions > 0 {
            kafka.create(Viewed::TYPE, partitions).await;
        }
        millgate_events::migrate(database.pool()).await.unwrap();
        migrate(database.pool()).await.unwrap();
        Self { kafka, redis, database }
    }

    pub(crate) fn resources(&self) -> Resources {
        let producer = Producer::new(&self.kafka.config(), "shop").unwrap();
        let queues = self.redis.queues();
        Resources {
            database: self.database.pool().clone(),
            cache: queues.cache(),
            queues,
            dead_letters: DeadLetters::new(producer.clone(), "dead-letter-queue"),
            producer,
            values: Values::default(),
            consumer_group: self.kafka.config().consumer_group,
        }
    }

    pub(crate) async fn put(&self, partition: i32, time: i64, page: &str, amount: i64) {
        let headers = headers(time);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let value = value(page, amount).to_string();
        self.kafka.put(Viewed::TYPE, partition, None, Some(value.as_bytes()), &headers).await;
    }

    pub(crate) fn start(&self, stream: impl Into<Stream>) -> Running {
        let config = StreamConfig { batch_size: 20, ..StreamConfig::default() };
        let runner =
            StreamRunner::start(stream.into(), &self.kafka.config(), &config, self.database.pool().clone()).unwrap();
        let stop = CancellationToken::new();
        Running { task: tokio::spawn(runner.run(stop.clone())), stop }
    }

    pub(crate) async fn results(&self) -> Vec<StoredWindow> {
        let mut results =
            WindowStore::new(self.database.pool().clone()).results("views", None, None, 100_000).await.unwrap();
        results.sort_by_key(|result| (result.key.clone(), result.window_start));
        results
    }

    pub(crate) async fn until_final(&self, count: usize) -> Vec<StoredWindow> {
        wait_until("the windows to be final", SOON, async || {
            self.results().await.iter().filter(|result| result.is_final).count() >= count
        })
        .await;
        self.results().await
    }
}

pub(crate) struct Running {
    pub(crate) task: JoinHandle<Result<(), StreamError>>,
    stop: CancellationToken,
}

impl Running {
    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}
