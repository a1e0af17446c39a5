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
    changes::ChangeStats,
    partition::{Servers, Take},
    turning::turn,
    windows::WindowStats,
};

/// For a question to Kafka about a partition, asked when something is not as expected.
const QUESTION: Duration = Duration::from_secs(10);

/// Takes records off Kafka and gives them to a stage.
pub struct StreamRunner {
    name: String,
    consumer: Consumer,
    take: Arc<dyn Take>,
    changes: Option<Arc<ChangeStats>>,
    servers: Servers,
    windows: Option<Arc<WindowStats>>,
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
        let Stream { name, topics, take, changes, windows, written: _ } = stream;
        let group = kafka.consumer_group.clone();
        info!(stream = name, group, topics = topics.join(" "), "stream starts");
        let logs = Logs::new(&kafka, QUESTION);
        let named = topics.iter().map(|topic| kafka.topic(topic)).collect();
        let begins_at_the_end = kafka.auto_offset_reset == "latest";
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
        let servers = Servers { database, logs, group, topics: named, begins_at_the_end, troubles, stats, stopping };
        Ok(Self { name, consumer, take, changes, servers, windows })
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

    /// What became of changes, if it is a stream of changes.
    pub fn changes(&self) -> Option<Arc<ChangeStats>> {
        self.changes.clone()
    }

    /// Counts of its windows, if it has any; they go on while it runs.
    pub fn windows(&self) -> Option<Arc<WindowStats>> {
        self.windows.clone()
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
        let holdings = consumer.holdings();
        let turning = {
            let (take, servers) = (take.clone(), servers.clone());
            tokio::spawn(async move { turn(&*take, &servers, || holdings.list()).await })
        };
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
        if let Err(panic) = turning.await {
            error!(stream = name, %panic, "the clock did not turn any more");
        }
        let closed = consumer.close().await;
        tasks.shutdown().await;
        Ok(closed?)
    }
}
