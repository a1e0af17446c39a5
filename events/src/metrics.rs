//! What was sent to Kafka and taken off it by this process, for whoever exports it.

use std::{
    sync::{Arc, LazyLock, atomic::AtomicU64},
    time::Duration,
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
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

/// One of its partitions.
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
    rebalances: Counter,
    paused: Family<ByPartition, Gauge>,
    trail_written: Counter,
    trail_dropped: Counter,
    log_shipped: Counter,
    log_dropped: Counter,
}

/// The counts of this process.
pub fn metrics() -> &'static KafkaMetrics {
    static METRICS: LazyLock<KafkaMetrics> = LazyLock::new(|| KafkaMetrics {
        produced: Family::default(),
        failed: Family::default(),
        consumed: Family::default(),
        // A millisecond to a minute.
        processing: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.001, 2.5, 13))),
        lag: Family::default(),
        lag_seconds: Family::default(),
        rebalances: Counter::default(),
        paused: Family::default(),
        trail_written: Counter::default(),
        trail_dropped: Counter::default(),
        log_shipped: Counter::default(),
        log_dropped: Counter::default(),
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
            "From a record's batch being taken off Kafka to its hand-off being confirmed",
            self.processing.clone(),
        );
        registry.register(
            "kafka_consumer_lag",
            "Records of partitions of this process that are not known to be handed off",
            self.lag.clone(),
        );
        registry.register("kafka_consumer_lag_seconds", "The age of the first of these", self.lag_seconds.clone());
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
        registry.register("millgate_log_lines_shipped", "Log lines that Kafka has", self.log_shipped.clone());
        registry.register(
            "millgate_log_lines_dropped",
            "Log lines that found no room, or that Kafka has not taken",
            self.log_dropped.clone(),
        );
    }

    /// Records of a topic were handed off, which took so long.
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

    pub(crate) fn produced(&self, topic: &Arc<str>, well: bool) {
        let counts = if well { &self.produced } else { &self.failed };
        counts.get_or_create(&ByTopic { topic: topic.clone() }).inc();
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

    /// One is on Kafka, or is lost.
    pub(crate) fn log_line(&self, well: bool) {
        if well { &self.log_shipped } else { &self.log_dropped }.inc();
    }

    pub(crate) fn rebalanced(&self) {
        self.rebalances.inc();
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
