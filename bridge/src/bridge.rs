//! The bridge: from topics to queues.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use millgate_events::{
    Consumer, ConsumerConfig, DeadLetters, Holdings, KafkaConfig, KafkaError, Logs, Trail, Troubles, Values,
};
use millgate_jobs::Queues;
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::{BridgeConfig, BridgeStats, Routes, hand_off::HandOff, judge::Judge, partition::Partitions, watch::watch};

/// For a question to Kafka about a partition, asked when something is not as expected.
const QUESTION: Duration = Duration::from_secs(10);

/// Why a bridge ended, other than by being told to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BridgeError {
    /// No route and no known event: there is nothing to consume.
    #[error("no event is known, so there is nothing to bridge; add routes to the App")]
    NoEvents,
    /// Kafka cannot be used.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
}

/// Takes events off Kafka and hands their jobs to Redis.
pub struct Bridge {
    consumer: Consumer,
    hand_off: HandOff,
}

impl Bridge {
    /// Joins the consumer group. Neither Kafka nor Redis need be up yet. Large values are looked for in the store of
    /// `claims`.
    pub fn start(
        kafka: &KafkaConfig,
        config: &BridgeConfig,
        routes: Arc<Routes>,
        queues: Queues,
        dead_letters: DeadLetters,
        values: impl Into<Values>,
    ) -> Result<Self, BridgeError> {
        let topics: Vec<String> = routes.topics().map(str::to_owned).collect();
        if topics.is_empty() {
            return Err(BridgeError::NoEvents);
        }
        info!(group = kafka.consumer_group, topics = topics.join(" "), "bridge starts");
        let consumer = Consumer::start(ConsumerConfig {
            kafka: kafka.clone(),
            topics,
            batch_size: config.batch_size,
            buffer_bytes: config.buffer_bytes,
            commit_interval: config.commit_interval,
            drain_timeout: config.drain_timeout,
        })?;
        let hand_off = HandOff {
            routes,
            queues,
            values: values.into(),
            judge: Judge { logs: Logs::new(kafka, QUESTION), config: config.clone() },
            partitions: Partitions::default(),
            dead_letters,
            stats: Arc::default(),
            trail: Trail::default(),
            group: kafka.consumer_group.clone(),
            topic_prefix: kafka.topic_prefix.clone(),
            stopping: CancellationToken::new(),
            troubles: Troubles::new(consumer.holdings()),
            said: Mutex::default(),
        };
        Ok(Self { consumer, hand_off })
    }

    /// The same, noting what becomes of each event.
    #[must_use]
    pub fn with_trail(mut self, trail: Trail) -> Self {
        self.hand_off.trail = trail;
        self
    }

    /// Its counters, which go on counting while it runs.
    pub fn stats(&self) -> Arc<BridgeStats> {
        self.hand_off.stats.clone()
    }

    /// The partitions that are its own, at any time.
    pub fn holdings(&self) -> Holdings {
        self.consumer.holdings()
    }

    /// What keeps its partitions waiting, at any time.
    pub fn troubles(&self) -> Troubles {
        self.hand_off.troubles.clone()
    }

    /// When it last polled Kafka, from now on. That nobody says so any more means that it has ended.
    pub fn polled(&self) -> watch::Receiver<Instant> {
        self.consumer.polled()
    }

    /// Runs until `stop` fires; then finishes the hand-offs that are begun, commits and leaves the group.
    pub async fn run(self, stop: CancellationToken) -> Result<(), BridgeError> {
        let Self { mut consumer, hand_off } = self;
        let hand_off = Arc::new(hand_off);
        // One task a batch, so at most one a partition.
        let mut tasks = JoinSet::new();
        let mut watching = JoinSet::new();
        watching.spawn(watch(hand_off.clone(), consumer.holdings()));
        while let Some(Some(batch)) = stop.run_until_cancelled(consumer.next()).await {
            let hand_off = hand_off.clone();
            tasks.spawn(async move { hand_off.run(batch).await });
            while let Some(ended) = tasks.try_join_next() {
                if let Err(panic) = ended {
                    error!(%panic, "a hand-off ended early; its batch will come again");
                }
            }
        }
        info!("bridge stops");
        hand_off.stopping.cancel();
        watching.shutdown().await;
        let closed = consumer.close().await;
        tasks.shutdown().await;
        Ok(closed?)
    }
}
