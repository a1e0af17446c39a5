//! A stream that runs.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use millgate_events::{Consumer, ConsumerConfig, Holdings, KafkaConfig, Logs, Troubles};
use sqlx::PgPool;
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::{
    Stream, StreamConfig, StreamError, StreamStats,
    partition::{Servers, Take},
};

/// For a question to Kafka about a partition, asked when something is not as expected.
const QUESTION: Duration = Duration::from_secs(10);

/// Takes records off Kafka and gives them to a stage.
pub struct StreamRunner {
    name: String,
    consumer: Consumer,
    take: Arc<dyn Take>,
    servers: Servers,
}

impl StreamRunner {
    /// Joins the consumer group `{kafka.consumer_group}.{stream}`. Neither Kafka nor PostgreSQL need be up yet.
    pub fn start(
        stream: Stream,
        kafka: &KafkaConfig,
        config: &StreamConfig,
        database: PgPool,
    ) -> Result<Self, StreamError> {
        let kafka = stream.kafka(kafka);
        let Stream { name, topics, take } = stream;
        let group = kafka.consumer_group.clone();
        info!(stream = name, group, topics = topics.join(" "), "stream starts");
        let logs = Logs::new(&kafka, QUESTION);
        let consumer = Consumer::start(ConsumerConfig {
            kafka,
            topics,
            batch_size: config.batch_size,
            buffer_bytes: config.buffer_bytes,
            commit_interval: config.commit_interval,
            drain_timeout: config.drain_timeout,
        })?;
        let troubles = Troubles::new(consumer.holdings());
        let (stats, stopping) = (Arc::default(), CancellationToken::new());
        let servers = Servers { database, logs, group, troubles, stats, stopping };
        Ok(Self { name, consumer, take, servers })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its consumer group.
    pub fn group(&self) -> &str {
        &self.servers.group
    }

    /// Its counts, which go on while it runs.
    pub fn stats(&self) -> Arc<StreamStats> {
        self.servers.stats.clone()
    }

    /// The partitions that are its own, at any time.
    pub fn holdings(&self) -> Holdings {
        self.consumer.holdings()
    }

    /// What keeps its partitions waiting, at any time.
    pub fn troubles(&self) -> Troubles {
        self.servers.troubles.clone()
    }

    /// When it last polled Kafka, from now on. That nobody says so any more means that it has ended.
    pub fn polled(&self) -> watch::Receiver<Instant> {
        self.consumer.polled()
    }

    /// Runs until `stop` fires; then finishes the batches that are begun, commits and leaves the group.
    pub async fn run(self, stop: CancellationToken) -> Result<(), StreamError> {
        let Self { name, mut consumer, take, servers, .. } = self;
        let servers = Arc::new(servers);
        // One task a batch, so at most one a partition.
        let mut tasks = JoinSet::new();
        while let Some(Some(batch)) = stop.run_until_cancelled(consumer.next()).await {
            let (take, servers) = (take.clone(), servers.clone());
            tasks.spawn(async move { take.take(batch, &servers).await });
            while let Some(ended) = tasks.try_join_next() {
                if let Err(panic) = ended {
                    error!(stream = name, %panic, "a batch was dropped; it will come again");
                }
            }
        }
        info!(stream = name, "stream stops");
        servers.stopping.cancel();
        let closed = consumer.close().await;
        tasks.shutdown().await;
        Ok(closed?)
    }
}
