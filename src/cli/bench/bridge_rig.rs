//! What measurements of the bridge work with: topics of their own, beside a queue's [`Rig`].

use std::time::Duration;

use millgate_bridge::BridgeConfig;
use millgate_events::{KafkaConfig, Producer, TopicAdmin, TopicChange, TopicSpec};

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
    /// With a prefix that all topics of this bench have, and no others.
    kafka: KafkaConfig,
    bridge: BridgeConfig,
    partitions: usize,
}

/// A topic that nobody else uses, and who publishes to it.
pub(super) struct Line {
    pub(super) producer: Producer,
    kafka: KafkaConfig,
}

impl BridgeRig {
    pub(super) fn new(rig: Rig, kafka: &KafkaConfig, bridge: &BridgeConfig, partitions: usize) -> Self {
        let topic_prefix = format!("{}bench-{}.", kafka.topic_prefix, uuid::Uuid::new_v4().simple());
        Self { rig, kafka: KafkaConfig { topic_prefix, ..kafka.clone() }, bridge: bridge.clone(), partitions }
    }

    /// Empties the queue, and makes a new topic.
    pub(super) async fn line(&self) -> anyhow::Result<Line> {
        self.rig.clear().await?;
        let name = format!("bench-{}", uuid::Uuid::new_v4().simple());
        let topic_prefix = format!("{}{name}.", self.kafka.topic_prefix);
        let kafka = KafkaConfig {
            topic_prefix,
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
            min_insync_replicas: None,
        };
        TopicAdmin::new(&kafka, PATIENCE)?.apply(&[TopicChange::Create(spec)]).await?;
        Ok(Line { producer: Producer::new(&kafka, "/bench")?, kafka })
    }

    /// A bridge process that has still to begin.
    pub(super) async fn bridge(&self, line: &Line) -> anyhow::Result<Process> {
        let (kafka, bridge) = (line.kafka.clone(), self.bridge.clone());
        let order = BridgeOrder { kafka, bridge, redis: self.rig.redis.clone(), trail: self.rig.trail.clone() };
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
        let admin = TopicAdmin::new(&self.kafka, PATIENCE)?;
        let topics = admin.list().await?;
        let names: Vec<_> =
            topics.iter().filter_map(|topic| topic.name.strip_prefix(self.kafka.topic_prefix.as_str())).collect();
        if !names.is_empty() {
            admin.delete(&names).await?;
        }
        Ok(())
    }
}
