//! What was sent to Kafka and taken off it by this process, for whoever exports it.

use std::{
    sync::{Arc, LazyLock, atomic::AtomicU64},
    time::Duration,
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// A topic, as Kafka names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByTopic {
    topic: Arc<str>,
}

/// A topic as a consumer group reads it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByGroup {
    topic: Arc<str>,
    consumer_group: Arc<str>,
}

/// A consumer group, whatever it reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfGroup {
    consumer_group: Arc<str>,
}

/// A partition, whoever reads it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPartition {
    topic: Arc<str>,
    partition: i32,
}

/// A partition as a consumer group reads it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByPartition {
    topic: Arc<str>,
    partition: i32,
    consumer_group: Arc<str>,
}

/// Counts of this process.
#[derive(Debug)]
pub struct KafkaMetrics {
    produced: Family<ByTopic, Counter>,
    failed: Family<ByTopic, Counter>,
    consumed: Family<ByGroup, Counter>,
    processing: Family<ByGroup, Histogram>,
    lag: Family<ByPartition, Gauge>,
    lag_seconds: Family<ByPartition, Gauge<f64, AtomicU64>>,
    topic_records: Family<OfPartition, Gauge>,
    rebalances: Family<OfGroup, Counter>,
    paused: Family<ByPartition, Gauge>,
    trail_written: Counter,
    trail_dropped: Counter,
}

/// Buckets in seconds: a millisecond to a minute. 0.001, 0.01, 0.1, 0.5, 1, 5 and 10 are what dashboards made elsewhere ask for.
const PROCESSING: [f64; 15] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// The counts of this process.
pub fn metrics() -> &'static KafkaMetrics {
    static METRICS: LazyLock<KafkaMetrics> = LazyLock::new(|| KafkaMetrics {
        produced: Family::default(),
        failed: Family::default(),
        consumed: Family::default(),
        processing: Family::new_with_constructor(|| Histogram::new(PROCESSING)),
        lag: Family::default(),
        lag_seconds: Family::default(),
        topic_records: Family::default(),
        rebalances: Family::default(),
        paused: Family::default(),
        trail_written: Counter::default(),
        trail_dropped: Counter::default(),
    });
    &METRICS
}

impl KafkaMetrics {
    /// Names them, so that they can be read. Names are never changed: dashboards and alerts hang on them.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("kafka_messages_produced", "Records that Kafka has acknowledged", self.produced.clone());
        registry.register("kafka_messages_failed", "Records that Kafka has not acknowledged", self.failed.clone());
        registry.register("kafka_messages_consumed", "Records that were taken off Kafka", self.consumed.clone());
        registry.register(
            "kafka_message_processing_duration_seconds",
            "From a record's batch being taken off Kafka to its hand-off being confirmed, or its rows committed",
            self.processing.clone(),
        );
        registry.register(
            "kafka_consumer_lag",
            "Records of partitions of this process that are not known to be handed off",
            self.lag.clone(),
        );
        registry.register("kafka_consumer_lag_seconds", "The age of the first of these", self.lag_seconds.clone());
        registry.register(
            "kafka_topic_records",
            "Offsets between the first and the last record of a partition of this process",
            self.topic_records.clone(),
        );
        registry.register(
            "kafka_consumer_rebalances",
            "Times that partitions were given to this process or taken from it",
            self.rebalances.clone(),
        );
        registry.register(
            "millgate_bridge_partition_paused",
            "1 while a partition holds as much in memory as it may and nothing more is fetched",
            self.paused.clone(),
        );
        registry.register(
            "millgate_trail_notes_written",
            "Notes of the trail that are in its tables",
            self.trail_written.clone(),
        );
        registry.register(
            "millgate_trail_notes_dropped",
            "Notes of the trail that found no room, or that the database cannot take",
            self.trail_dropped.clone(),
        );
        crate::projection_metrics().register(registry);
    }

    /// Records of a topic were handed off, or are in their tables, which took so long.
    pub fn processed(&self, topic: &Arc<str>, consumer_group: &str, records: usize, took: Duration) {
        let labels = ByGroup { topic: topic.clone(), consumer_group: consumer_group.into() };
        let histogram = self.processing.get_or_create(&labels);
        for _ in 0..records {
            histogram.observe(took.as_secs_f64());
        }
    }

    /// How far a group is behind in a partition; `None`: that is not known here any more.
    pub fn set_lag(&self, (topic, partition): (&Arc<str>, i32), consumer_group: &str, lag: Option<(u64, Duration)>) {
        let labels = ByPartition { topic: topic.clone(), partition, consumer_group: consumer_group.into() };
        if let Some((records, age)) = lag {
            self.lag.get_or_create(&labels).set(i64::try_from(records).unwrap_or(i64::MAX));
            self.lag_seconds.get_or_create(&labels).set(age.as_secs_f64());
        } else {
            self.lag.remove(&labels);
            self.lag_seconds.remove(&labels);
        }
    }

    /// How many offsets a partition spans; `None`: that is not known here any more.
    pub fn set_topic_records(&self, (topic, partition): (&Arc<str>, i32), records: Option<i64>) {
        let labels = OfPartition { topic: topic.clone(), partition };
        match records {
            Some(records) => _ = self.topic_records.get_or_create(&labels).set(records),
            None => _ = self.topic_records.remove(&labels),
        }
    }

    pub(crate) fn produced(&self, topic: &Arc<str>, well: bool) {
        let (counts, others) = if well { (&self.produced, &self.failed) } else { (&self.failed, &self.produced) };
        let labels = ByTopic { topic: topic.clone() };
        if counts.get_or_create(&labels).inc() == 0 {
            // There from the first record on, at 0: of a count that begins with 1 nobody can see that it grew.
            drop(others.get_or_create(&labels));
        }
    }

    pub(crate) fn consumed(&self, topic: &Arc<str>, consumer_group: &str, records: usize) {
        let labels = ByGroup { topic: topic.clone(), consumer_group: consumer_group.into() };
        self.consumed.get_or_create(&labels).inc_by(records as u64);
    }

    pub(crate) fn trail_written(&self, notes: usize) {
        self.trail_written.inc_by(notes as u64);
    }

    pub(crate) fn trail_dropped(&self, notes: usize) {
        self.trail_dropped.inc_by(notes as u64);
    }

    pub(crate) fn rebalanced(&self, consumer_group: &str) {
        self.rebalances.get_or_create(&OfGroup { consumer_group: consumer_group.into() }).inc();
    }

    /// `None`: the partition is another's.
    pub(crate) fn set_paused(&self, (topic, partition): (&Arc<str>, i32), group: &str, paused: Option<bool>) {
        let labels = ByPartition { topic: topic.clone(), partition, consumer_group: group.into() };
        match paused {
            Some(paused) => _ = self.paused.get_or_create(&labels).set(i64::from(paused)),
            None => _ = self.paused.remove(&labels),
        }
    }
}
