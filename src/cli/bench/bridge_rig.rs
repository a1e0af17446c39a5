//! What measurements of the bridge work with: topics of their own, beside a queue's [`Rig`].

use std::{sync::Mutex, time::Duration};

use millgate_bridge::BridgeConfig;
use millgate_events::{KafkaConfig, KafkaError, Producer, TopicAdmin, TopicChange, TopicSpec};

use super::{
    clock,
    order::BridgeOrder,
    process::Process,
    rig::Rig,
    shipment::{self, TOPIC},
};

const PATIENCE: Duration = Duration::from_secs(30);
/// Events that bring a bridge under way.
const WARM_UP: u32 = 16;

pub(super) struct BridgeRig {
    pub(super) rig: Rig,
    kafka: KafkaConfig,
    bridge: BridgeConfig,
    partitions: usize,
    /// What was created.
    prefixes: Mutex<Vec<String>>,
}

/// A topic that nobody else uses, and who publishes to it.
pub(super) struct Line {
    pub(super) producer: Producer,
    kafka: KafkaConfig,
}

impl BridgeRig {
    pub(super) fn new(rig: Rig, kafka: &KafkaConfig, bridge: &BridgeConfig, partitions: usize) -> Self {
        Self { rig, kafka: kafka.clone(), bridge: bridge.clone(), partitions, prefixes: Mutex::default() }
    }

    /// Empties the queue, and makes a new topic.
    pub(super) async fn line(&self) -> anyhow::Result<Line> {
        self.rig.clear().await?;
        let name = format!("bench-{}", uuid::Uuid::new_v4().simple());
        let topic_prefix = format!("{}{name}.", self.kafka.topic_prefix);
        let kafka = KafkaConfig {
            topic_prefix: topic_prefix.clone(),
            consumer_group: name,
            auto_offset_reset: "earliest".into(),
            ..self.kafka.clone()
        };
        let spec = TopicSpec {
            name: TOPIC.to_owned(),
            partitions: self.partitions,
            replication: 1,
            retention: Some(Duration::from_hours(1)),
            compaction: false,
        };
        TopicAdmin::new(&kafka, PATIENCE)?.apply(&[TopicChange::Create(spec)]).await?;
        // A push is all that happens under the lock; nothing can be torn.
        self.prefixes.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(topic_prefix);
        Ok(Line { producer: Producer::new(&kafka, "/bench")?, kafka })
    }

    /// A bridge process that has still to begin.
    pub(super) async fn bridge(&self, line: &Line) -> anyhow::Result<Process> {
        let (kafka, bridge) = (line.kafka.clone(), self.bridge.clone());
        let order = BridgeOrder { kafka, bridge, redis: self.rig.redis.clone() };
        self.rig.process("bridge-runner", &order).await
    }

    /// A bridge process and a worker process that have done something, and wait for more.
    pub(super) async fn under_way(&self, line: &Line) -> anyhow::Result<(Process, Process)> {
        let mut bridge = self.bridge(line).await?;
        let worker = self.rig.idle_worker().await?;
        bridge.go().await?;
        let done = self.rig.queue.stats().await?.done();
        // Zero: they are not measured.
        shipment::publish(&line.producer, WARM_UP, 0).await?;
        self.rig.until(|stats| stats.done() >= done + u64::from(WARM_UP)).await?;
        Ok((bridge, worker))
    }

    /// Waits until so many more jobs than `before` are done, and none is left. Gives the moment.
    pub(super) async fn until_done(&self, before: u64, count: u32) -> anyhow::Result<clock::Micros> {
        self.rig.until(|stats| stats.done() >= before + u64::from(count)).await?;
        self.rig.until_settled().await
    }

    /// Removes everything, once no process can write any more.
    pub(super) async fn close(self) -> anyhow::Result<()> {
        self.rig.close().await?;
        let prefixes = self.prefixes.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        for topic_prefix in prefixes {
            let kafka = KafkaConfig { topic_prefix, ..self.kafka.clone() };
            remove(&kafka).await?;
        }
        Ok(())
    }
}

async fn remove(kafka: &KafkaConfig) -> Result<(), KafkaError> {
    TopicAdmin::new(kafka, PATIENCE)?.delete(&[TOPIC]).await
}
