//! What the tests work with: two events, their routes, bridges.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use millgate_bridge::{Bridge, BridgeConfig, BridgeCounts, BridgeError, BridgeStats, Routes, on};
use millgate_events::{DeadLetters, Event, EventMeta, KafkaConfig, OutRecord, Producer, Values};
use millgate_jobs::{Job, JobState, JobView, Queue, QueueStats, Queues, RedisConfig, delay};
use millgate_testkit::{KafkaSpace, RedisSpace, wait_until};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// For everything that takes as long as the machine makes it.
pub(crate) const SOON: Duration = Duration::from_mins(2);

/// Delayed by this, a job does not come due within a test about events of 2023.
const CENTURY: Duration = Duration::from_hours(24 * 36_500);

pub(crate) const DEAD: &str = "dead-letter-queue";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ordered {
    pub(crate) order: String,
}

impl Event for Ordered {
    const TYPE: &'static str = "order.created";
    const TOPIC: &'static str = "orders";

    fn key(&self) -> String {
        self.order.clone()
    }
}

/// On the same topic, so that it keeps its order with [`Ordered`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Paid {
    pub(crate) order: String,
}

impl Event for Paid {
    const TYPE: &'static str = "order.paid";
    const TOPIC: &'static str = "orders";

    fn key(&self) -> String {
        self.order.clone()
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Confirm {
    pub(crate) order: String,
}

impl Job for Confirm {
    const KIND: &'static str = "confirm";
    const QUEUE: &'static str = "email";
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Remind {
    pub(crate) order: String,
}

impl Job for Remind {
    const KIND: &'static str = "remind";
    const QUEUE: &'static str = "email";
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Pack {
    pub(crate) order: String,
}

impl Job for Pack {
    const KIND: &'static str = "pack";
    const QUEUE: &'static str = "stock";
}

/// An order is confirmed and packed, and there is a reminder unless it is paid. No order may be named `panic`.
pub(crate) fn routes() -> Routes {
    let mut routes = Routes::default();
    routes.add(
        on::<Ordered>()
            .enqueue(|e| Confirm { order: e.order.clone() })
            .enqueue_with(|e| (Remind { order: e.order.clone() }, delay(CENTURY).unique(&e.order)))
            .enqueue(|e| {
                assert!(e.order != "panic", "there is no such order");
                Pack { order: e.order.clone() }
            }),
    );
    routes.add(on::<Paid>().cancel::<Remind, _>(|e| e.order.clone()));
    routes
}

/// So many seconds after a moment in 2023.
pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
}

/// An event as its service publishes it, with an id that follows from its order.
pub(crate) fn record<E: Event>(event: &E, seconds: i64) -> OutRecord {
    let id = format!("{}-{}-{seconds}", E::TYPE, event.key());
    let meta = EventMeta::new::<E>("shop", at(seconds)).with_id(id);
    OutRecord {
        topic: E::TOPIC.into(),
        key: Some(event.key().into()),
        value: Some(serde_json::to_vec(event).unwrap().into()),
        headers: meta.to_headers("application/json"),
    }
}

pub(crate) fn ordered(order: impl Into<String>) -> OutRecord {
    record(&Ordered { order: order.into() }, 0)
}

pub(crate) struct Bench {
    pub(crate) kafka: KafkaSpace,
    pub(crate) redis: RedisSpace,
    producer: Producer,
    queues: Queues,
}

impl Bench {
    /// With the events' topic, and without the dead letters'.
    pub(crate) async fn new(partitions: usize) -> Self {
        let (kafka, redis) = (KafkaSpace::fresh("bridge"), RedisSpace::fresh("bridge"));
        kafka.create(Ordered::TOPIC, partitions).await;
        let producer = Producer::new(&kafka.config(), "shop").unwrap();
        Self { producer, queues: redis.queues(), kafka, redis }
    }

    pub(crate) async fn publish(&self, records: impl IntoIterator<Item = OutRecord>) {
        let sent: Vec<_> = records.into_iter().map(|record| self.producer.send_record(&record).unwrap()).collect();
        for delivery in sent {
            delivery.await.unwrap();
        }
    }

    /// The counts of a queue; whatever happened, they add up.
    pub(crate) async fn stats(&self, queue: &str) -> QueueStats {
        let stats = self.queues.queue(queue).stats().await.unwrap();
        assert!(stats.adds_up(), "{stats:?}");
        stats
    }

    pub(crate) async fn enqueued<J: Job>(&self) -> u64 {
        self.stats(J::QUEUE).await.kinds.get(J::KIND).map_or(0, |kind| kind.enqueued)
    }

    /// Some jobs that wait in a queue or are delayed there.
    pub(crate) async fn jobs(&self, queue: &str) -> Vec<JobView> {
        let queue = self.queues.queue(queue);
        let mut ids = Vec::new();
        for state in [JobState::Waiting, JobState::Delayed] {
            ids.extend(queue.page(state, None, 100, None).await.unwrap().ids);
        }
        queue.look(&ids).await.unwrap()
    }

    /// The orders that there are jobs of a kind for, sorted: one that has two is there twice.
    pub(crate) async fn orders<J: Job>(&self) -> Vec<String> {
        orders_in(&self.queues.queue(J::QUEUE), J::KIND).await
    }

    /// Waits until each order from `o-0` on has one job of each kind.
    pub(crate) async fn wait_each_once(&self, count: usize) {
        let mut wanted: Vec<_> = (0..count).map(|n| format!("o-{n}")).collect();
        wanted.sort();
        wait_until(&format!("{count} orders have their jobs"), SOON, async || {
            self.orders::<Pack>().await.len() >= count
                && self.orders::<Confirm>().await.len() >= count
                && self.orders::<Remind>().await.len() >= count
        })
        .await;
        for orders in [self.orders::<Pack>().await, self.orders::<Confirm>().await, self.orders::<Remind>().await] {
            assert_eq!(orders, wanted);
        }
    }

    /// Publishes orders `o-<n>`.
    pub(crate) async fn order(&self, numbers: std::ops::Range<usize>) {
        self.publish(numbers.map(|n| ordered(format!("o-{n}")))).await;
    }

    pub(crate) async fn wait_all_committed(&self) {
        wait_until("all offsets are committed", SOON, async || {
            let committed = self.kafka.committed(Ordered::TOPIC).await;
            let committed: Vec<i64> = committed.into_iter().map(Option::unwrap_or_default).collect();
            committed == self.kafka.ends(Ordered::TOPIC).await
        })
        .await;
    }

    pub(crate) fn bridge(&self) -> Running {
        Running::start(&self.kafka.config(), &self.redis.config(), &config())
    }
}

pub(crate) async fn orders_in(queue: &Queue, kind: &str) -> Vec<String> {
    let (mut ids, mut orders) = (Vec::new(), Vec::new());
    for state in [JobState::Waiting, JobState::Delayed] {
        let mut from = None;
        loop {
            let page = queue.page(state, from.as_deref(), 200, Some(kind)).await.unwrap();
            ids.extend(page.ids);
            from = page.next;
            if from.is_none() {
                break;
            }
        }
    }
    for ids in ids.chunks(200) {
        for job in queue.look(ids).await.unwrap() {
            let payload: serde_json::Value = serde_json::from_str(&job.payload).unwrap();
            orders.push(payload["order"].as_str().unwrap().to_owned());
        }
    }
    orders.sort();
    orders
}

/// Small batches and quick commits, so that there are many of both.
pub(crate) fn config() -> BridgeConfig {
    BridgeConfig {
        batch_size: 10,
        commit_interval: Duration::from_millis(50),
        watermark_check_interval: Duration::from_millis(200),
        ..BridgeConfig::default()
    }
}

/// A bridge that runs.
pub(crate) struct Running {
    stats: Arc<BridgeStats>,
    stop: CancellationToken,
    ended: JoinHandle<Result<(), BridgeError>>,
}

impl Running {
    pub(crate) fn start(kafka: &KafkaConfig, redis: &RedisConfig, config: &BridgeConfig) -> Self {
        Self::with(routes(), kafka, redis, config)
    }

    /// One with other routes than the usual ones.
    pub(crate) fn with(routes: Routes, kafka: &KafkaConfig, redis: &RedisConfig, config: &BridgeConfig) -> Self {
        Self::with_values(routes, Values::default(), kafka, redis, config)
    }

    /// One that opens values.
    pub(crate) fn with_values(
        routes: Routes,
        values: impl Into<Values>,
        kafka: &KafkaConfig,
        redis: &RedisConfig,
        config: &BridgeConfig,
    ) -> Self {
        let dead_letters = DeadLetters::new(Producer::new(kafka, "bridge").unwrap(), DEAD);
        let queues = Queues::new(redis).unwrap();
        let bridge = Bridge::start(kafka, config, Arc::new(routes), queues, dead_letters, values).unwrap();
        let stop = CancellationToken::new();
        Self { stats: bridge.stats(), ended: tokio::spawn(bridge.run(stop.clone())), stop }
    }

    pub(crate) fn counts(&self) -> BridgeCounts {
        self.stats.read()
    }

    pub(crate) async fn stop(self) -> BridgeCounts {
        self.stop.cancel();
        tokio::time::timeout(SOON, self.ended).await.expect("the bridge stops").unwrap().unwrap();
        self.stats.read()
    }
}
