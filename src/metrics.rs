//! What Prometheus reads: the counts of this process, and what the queues hold.
//!
//! `docs/metrics.md` lists every name. None is ever changed: dashboards and alerts hang on them.

use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, SystemTime},
};

use chrono::{DateTime, Utc};
use futures::future::join_all;
use millgate_bridge::{BridgeCounts, BridgeStats};
use millgate_jobs::{Queue, QueueStats};
use millgate_streams::{
    StreamCounts, StreamStats,
    windows::{WindowCounts, WindowStats},
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, text},
    metrics::{
        MetricType,
        counter::ConstCounter,
        family::Family,
        gauge::{ConstGauge, Gauge},
    },
    registry::Registry,
};

/// A queue that has not said what it holds within so long is left out.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByState {
    queue: String,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByQueue {
    queue: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByGroup {
    consumer_group: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByStream {
    stream: String,
}

/// All there is to be read.
pub(crate) struct Metrics {
    registry: Registry,
    queues: Vec<Queue>,
    depth: Family<ByState, Gauge>,
    oldest: Family<ByQueue, Gauge<f64, AtomicU64>>,
    paused: Family<ByQueue, Gauge>,
}

impl Metrics {
    /// Of this process; of its bridges, by consumer group; and of these queues.
    pub(crate) fn new(queues: Vec<Queue>, bridges: Vec<(String, Arc<BridgeStats>)>) -> Self {
        let mut registry = Registry::default();
        millgate_events::metrics().register(&mut registry);
        millgate_workers::metrics().register(&mut registry);
        if !bridges.is_empty() {
            let by_group = bridges.into_iter().map(|(consumer_group, stats)| (ByGroup { consumer_group }, stats));
            registry.register_collector(Box::new(OfBridges(by_group.collect())));
        }
        let (depth, oldest, paused) = (Family::default(), Family::default(), Family::default());
        registry.register(
            "millgate_queue_depth",
            "Jobs in a queue by state, in the whole cluster: every process says the same",
            Family::clone(&depth),
        );
        registry.register(
            "millgate_queue_oldest_seconds",
            "For how long the job has waited that has waited longest for a worker, of those that may run",
            Family::clone(&oldest),
        );
        registry.register("millgate_queue_paused", "1 while workers take no jobs from a queue", Family::clone(&paused));
        Self { registry, queues, depth, oldest, paused }
    }

    /// The same with the counts of streams.
    #[must_use]
    pub(crate) fn with_streams(mut self, streams: impl Iterator<Item = (String, Arc<StreamStats>)>) -> Self {
        let streams = streams.map(|(stream, stats)| (ByStream { stream }, stats)).collect();
        self.registry.register_collector(Box::new(OfStreams(streams)));
        self
    }

    /// The same with the counts of windows.
    #[must_use]
    pub(crate) fn with_windows(mut self, windows: impl Iterator<Item = (String, Arc<WindowStats>)>) -> Self {
        let windows = windows.map(|(stream, stats)| (ByStream { stream }, stats)).collect();
        self.registry.register_collector(Box::new(OfWindows(windows)));
        self
    }

    /// In the text format of Prometheus.
    pub(crate) async fn text(&self) -> Result<String, fmt::Error> {
        join_all(self.queues.iter().map(async |queue| {
            let stats = tokio::time::timeout(PATIENCE, queue.stats()).await;
            self.set(queue.name(), stats.ok().and_then(Result::ok));
        }))
        .await;
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        Ok(plain(&out))
    }

    /// What a queue holds. What is not known is left out: an old figure would look like a new one.
    fn set(&self, name: &str, stats: Option<QueueStats>) {
        let queue = || ByQueue { queue: name.to_owned() };
        let state = |state| ByState { queue: name.to_owned(), state };
        let Some(stats) = stats else {
            for name in ["waiting", "delayed", "active", "held", "dead"] {
                self.depth.remove(&state(name));
            }
            self.oldest.remove(&queue());
            self.paused.remove(&queue());
            return;
        };
        let QueueStats { waiting, delayed, active, held, unburied, oldest, paused, .. } = stats;
        let states =
            [("waiting", waiting), ("delayed", delayed), ("active", active), ("held", held), ("dead", unburied)];
        for (name, jobs) in states {
            self.depth.get_or_create(&state(name)).set(i64::try_from(jobs).unwrap_or(i64::MAX));
        }
        let age = oldest.and_then(|oldest| (now() - oldest).to_std().ok()).unwrap_or_default();
        self.oldest.get_or_create(&queue()).set(age.as_secs_f64());
        self.paused.get_or_create(&queue()).set(i64::from(paused));
    }
}

/// The older form of the format, which everything reads: a counter is described under its whole name.
fn plain(openmetrics: &str) -> String {
    let counters: HashSet<&str> =
        openmetrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    let mut out = String::with_capacity(openmetrics.len());
    for line in openmetrics.lines().filter(|line| *line != "# EOF") {
        let described = ["# HELP ", "# TYPE "].iter().find_map(|prefix| {
            let (name, rest) = line.strip_prefix(prefix)?.split_once(' ')?;
            counters.contains(name).then(|| format!("{prefix}{name}_total {rest}"))
        });
        out.push_str(described.as_deref().unwrap_or(line));
        out.push('\n');
    }
    out
}

/// A count, its name and what it says.
type Line = (&'static str, &'static str, fn(&BridgeCounts) -> u64);

const COUNTERS: [Line; 10] = [
    ("events_handed_off", "Events whose jobs are all in their queues.", |counts| counts.handed_off),
    ("tombstones", "Records without a value among these, which come to no job.", |counts| counts.tombstones),
    ("events_poison", "Records that went to the dead letters.", |counts| counts.dead),
    ("jobs_enqueued", "Jobs that are new in their queues.", |counts| counts.jobs),
    ("jobs_duplicate", "Jobs not taken in again, as their routes ask for.", |counts| counts.duplicates),
    ("jobs_skipped", "Jobs of records that had been handed off before.", |counts| counts.skipped),
    ("jobs_cancelled", "Waiting jobs that a cancel took away.", |counts| counts.cancelled),
    ("rewinds", "Times that events were read again, as Redis had lost them.", |counts| counts.rewinds),
    ("halts", "Times that it was said that a partition waits for people; twice a minute each.", |counts| counts.halts),
    ("events_missed", "Records that Kafka had deleted before they were handed off.", |counts| counts.missed),
];

const GAUGES: [Line; 3] = [
    ("dead_letters_unwritable", "Partitions that wait as a dead letter cannot be written.", |counts| counts.unwritable),
    (
        "redis_behind",
        "Hand-offs that wait for people, as Redis is behind its watermark: millgate watermarks list.",
        |counts| counts.waiting_for_people,
    ),
    ("redis_refuses", "Hand-offs that wait for Redis to take their jobs.", |counts| counts.refused),
];

/// The counters of each group's bridge.
#[derive(Debug)]
struct OfBridges(Vec<(ByGroup, Arc<BridgeStats>)>);

impl Collector for OfBridges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let counts: Vec<_> = self.0.iter().map(|(group, stats)| (group, stats.read())).collect();
        for (name, help, of) in COUNTERS {
            let name = format!("millgate_bridge_{name}");
            let mut family = encoder.encode_descriptor(&name, help, None, MetricType::Counter)?;
            for (group, counts) in &counts {
                ConstCounter::new(of(counts)).encode(family.encode_family(*group)?)?;
            }
        }
        for (name, help, of) in GAUGES {
            let name = format!("millgate_bridge_{name}");
            let mut family = encoder.encode_descriptor(&name, help, None, MetricType::Gauge)?;
            for (group, counts) in &counts {
                let count = i64::try_from(of(counts)).unwrap_or(i64::MAX);
                ConstGauge::new(count).encode(family.encode_family(*group)?)?;
            }
        }
        Ok(())
    }
}

type StreamLine = (&'static str, &'static str, fn(&StreamCounts) -> u64);

const STREAM_COUNTERS: [StreamLine; 4] = [
    ("records", "Records that are in the stream's tables.", |counts| counts.taken),
    ("records_skipped", "Records that came again, and were in the tables already.", |counts| counts.skipped),
    ("batches", "Batches that were taken, each in a transaction.", |counts| counts.batches),
    ("failures", "Tries to take a batch that failed.", |counts| counts.failures),
];

/// The counters of each stream.
#[derive(Debug)]
struct OfStreams(Vec<(ByStream, Arc<StreamStats>)>);

impl Collector for OfStreams {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let counts: Vec<_> = self.0.iter().map(|(stream, stats)| (stream, stats.read())).collect();
        for (name, help, of) in STREAM_COUNTERS {
            let name = format!("millgate_stream_{name}");
            let mut family = encoder.encode_descriptor(&name, help, None, MetricType::Counter)?;
            for (stream, counts) in &counts {
                ConstCounter::new(of(counts)).encode(family.encode_family(*stream)?)?;
            }
        }
        Ok(())
    }
}

type WindowLine = (&'static str, &'static str, fn(&WindowCounts) -> u64);

const WINDOW_COUNTERS: [WindowLine; 3] = [
    ("late", "Events that came after their windows were closed.", |counts| counts.late),
    ("ahead", "Events that claim to happen more than an hour from now.", |counts| counts.ahead),
    ("closed", "Results that were made final by this process.", |counts| counts.finals),
];

/// What is counted of each stream of windows.
#[derive(Debug)]
struct OfWindows(Vec<(ByStream, Arc<WindowStats>)>);

impl Collector for OfWindows {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let counts: Vec<_> = self.0.iter().map(|(stream, stats)| (stream, stats.read())).collect();
        for (name, help, of) in WINDOW_COUNTERS {
            let name = format!("millgate_windows_{name}");
            let mut family = encoder.encode_descriptor(&name, help, None, MetricType::Counter)?;
            for (stream, counts) in &counts {
                ConstCounter::new(of(counts)).encode(family.encode_family(*stream)?)?;
            }
        }
        let help = "Slices and sessions in memory.";
        let mut open = encoder.encode_descriptor("millgate_windows_open", help, None, MetricType::Gauge)?;
        for (stream, counts) in &counts {
            ConstGauge::new(i64::try_from(counts.open).unwrap_or(i64::MAX)).encode(open.encode_family(*stream)?)?;
        }
        let (name, help) = ("millgate_windows_watermark_lag_seconds", "How far the watermark is behind the clock.");
        let mut lag = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (stream, counts) in &counts {
            let Some(watermark) = counts.watermark.and_then(DateTime::from_timestamp_millis) else { continue };
            let behind = (now() - watermark).to_std().unwrap_or_default();
            ConstGauge::new(behind.as_secs_f64()).encode(lag.encode_family(*stream)?)?;
        }
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "how long a job has waited is a question of now")]
fn now() -> DateTime<Utc> {
    SystemTime::now().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is registered, by its name in the code: without the suffix that a counter has when it is read.
    async fn registered() -> HashSet<String> {
        let sources = [
            include_str!("../events/src/metrics.rs"),
            include_str!("../workers/src/metrics.rs"),
            include_str!("metrics.rs"),
        ];
        let call = concat!("registry.", "register(");
        let literal = |rest: &str| rest.trim_start().strip_prefix('"')?.split('"').next().map(str::to_owned);
        let written = sources.iter().flat_map(|source| source.split(call).skip(1)).filter_map(literal);
        // Those of a bridge are always there; of the others, only what was counted.
        let metrics = Metrics::new(Vec::new(), vec![("shop".to_owned(), Arc::default())]);
        let metrics = metrics.with_streams(std::iter::once(("audit".to_owned(), Arc::default())));
        let metrics = metrics.with_windows(std::iter::once(("views".to_owned(), Arc::default())));
        let text = metrics.text().await.unwrap();
        let read = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
        written.chain(read.map(bare).map(str::to_owned)).collect()
    }

    fn bare(name: &str) -> &str {
        name.strip_suffix("_total").unwrap_or(name)
    }

    /// Name and type of each metric, as the documentation has them.
    fn documented() -> impl Iterator<Item = (&'static str, &'static str)> {
        include_str!("../docs/metrics.md").lines().filter_map(|line| {
            let (name, rest) = line.strip_prefix("| `")?.split_once('`')?;
            Some((name.split('{').next()?, rest.split('|').nth(1)?.trim()))
        })
    }

    #[tokio::test]
    async fn every_metric_is_documented_and_every_documented_one_exists() {
        let registered = registered().await;
        let names: HashSet<String> = documented().map(|(name, _)| bare(name).to_owned()).collect();
        assert!(names.len() > 25, "{names:?}");
        assert_eq!(registered.symmetric_difference(&names).collect::<Vec<_>>(), Vec::<&String>::new());
        for (name, kind) in documented() {
            assert_eq!(name.ends_with("_total"), kind == "counter", "{name} is a {kind}");
        }
    }

    #[test]
    fn counters_are_described_under_their_whole_names() {
        let text = "# HELP a b.\n# TYPE a counter\na_total{x=\"1\"} 3\n# HELP g h.\n# TYPE g gauge\ng 1\n# EOF\n";
        let wanted =
            "# HELP a_total b.\n# TYPE a_total counter\na_total{x=\"1\"} 3\n# HELP g h.\n# TYPE g gauge\ng 1\n";
        assert_eq!(plain(text), wanted);
    }

    /// What the alerts ask for exists, so that none of them is silent for a name that was misspelt.
    #[test]
    fn every_metric_of_the_alerts_exists() {
        let mut names: HashSet<String> = HashSet::new();
        for (name, kind) in documented() {
            match kind {
                "histogram" => names.extend(["_bucket", "_count", "_sum"].map(|suffix| format!("{name}{suffix}"))),
                _ => _ = names.insert(name.to_owned()),
            }
        }
        let rules = include_str!("../ops/prometheus/alerts.yml");
        let asked: HashSet<&str> = rules
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix("expr:"))
            .flat_map(|expr| expr.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')))
            .filter(|word| word.starts_with("millgate_") || word.starts_with("kafka_"))
            .collect();
        assert!(asked.len() > 5, "{asked:?}");
        let unknown: Vec<_> = asked.iter().filter(|name| !names.contains(**name)).collect();
        assert!(unknown.is_empty(), "no such metrics: {unknown:?}");
    }
}
