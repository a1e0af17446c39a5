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
use millgate_bridge::{
    BridgeCounts, BridgeStats,
    saga::{Census, SagaCounts, SagaStats, SagaStatus, SagaStore},
};
use millgate_events::{DeadLetterStore, OutboxStore, RelayStats};
use millgate_jobs::{Queue, QueueStats};
use millgate_streams::{StreamCounts, StreamStats};
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

use crate::stored::Stored;

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
struct BySaga {
    saga: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BySagaStatus {
    saga: String,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByGroup {
    consumer_group: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByStream {
    stream: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    application: String,
    role: String,
    version: &'static str,
}

/// All there is to be read.
pub(crate) struct Metrics {
    registry: Registry,
    queues: Vec<Queue>,
    depth: Family<ByState, Gauge>,
    oldest: Family<ByQueue, Gauge<f64, AtomicU64>>,
    paused: Family<ByQueue, Gauge>,
    builds: Family<Build, Gauge>,
    stored: Option<Stored>,
    sagas: Option<Sagas>,
}

/// What is known of sagas: by this process, and by their table.
struct Sagas {
    store: SagaStore,
    now: Family<BySagaStatus, Gauge>,
    oldest: Family<BySagaStatus, Gauge<f64, AtomicU64>>,
    unknown: Gauge,
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
        let builds = Family::default();
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
        registry.register(
            "millgate_build_info",
            "1 for each role that runs in this process, with its application and version",
            Family::clone(&builds),
        );
        Self { registry, queues, depth, oldest, paused, builds, stored: None, sagas: None }
    }

    /// The same, saying that these roles of an application run here.
    #[must_use]
    pub(crate) fn in_roles(self, application: &str, roles: &[&str]) -> Self {
        for role in roles {
            let (application, role) = (application.to_owned(), (*role).to_owned());
            let build = Build { application, role, version: env!("CARGO_PKG_VERSION") };
            self.builds.get_or_create(&build).set(1);
        }
        self
    }

    /// The same with what the application's tables hold.
    #[must_use]
    pub(crate) fn with_tables(mut self, letters: DeadLetterStore, outbox: OutboxStore) -> Self {
        self.stored = Some(Stored::new(letters, outbox, &mut self.registry));
        self
    }

    /// The same with the counts of the relay.
    #[must_use]
    pub(crate) fn with_relay(mut self, relay: Arc<RelayStats>) -> Self {
        self.registry.register_collector(Box::new(OfRelay(relay)));
        self
    }

    /// With those of sagas.
    pub(crate) fn with_sagas(mut self, stats: Arc<SagaStats>, store: SagaStore) -> Self {
        let (now, oldest, unknown) = (Family::default(), Family::default(), Gauge::default());
        self.registry.register_collector(Box::new(OfSagas(stats)));
        self.registry.register(
            "millgate_sagas_now",
            "Sagas that have not ended, by how they are, in the whole cluster: every process says the same",
            Family::clone(&now),
        );
        self.registry.register(
            "millgate_sagas_oldest_seconds",
            "For how long the oldest of them is under way",
            Family::clone(&oldest),
        );
        self.registry.register(
            "millgate_sagas_unknown_version",
            "Sagas under way whose version of their definition this process does not have",
            Gauge::clone(&unknown),
        );
        self.sagas = Some(Sagas { store, now, oldest, unknown });
        self
    }

    /// The same with the counts of streams.
    #[must_use]
    pub(crate) fn with_streams(mut self, streams: impl Iterator<Item = (String, Arc<StreamStats>)>) -> Self {
        let streams = streams.map(|(stream, stats)| (ByStream { stream }, stats)).collect();
        self.registry.register_collector(Box::new(OfStreams(streams)));
        self
    }

    /// In the text format of Prometheus.
    pub(crate) async fn text(&self) -> Result<String, fmt::Error> {
        let queues = join_all(self.queues.iter().map(async |queue| {
            let stats = tokio::time::timeout(PATIENCE, queue.stats()).await;
            self.set(queue.name(), stats.ok().and_then(Result::ok));
        }));
        let tables = async {
            if let Some(stored) = &self.stored {
                stored.ask(PATIENCE).await;
            }
        };
        let sagas = async {
            if let Some(sagas) = &self.sagas {
                let census = tokio::time::timeout(PATIENCE, sagas.store.census()).await;
                sagas.set(census.ok().and_then(Result::ok));
            }
        };
        tokio::join!(queues, tables, sagas);
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

impl Sagas {
    /// How many there are. What is not known is left out.
    fn set(&self, census: Option<Vec<Census>>) {
        self.now.clear();
        self.oldest.clear();
        self.unknown.set(0);
        let Some(census) = census else { return };
        // One that is not there is a figure, too.
        for name in self.store.definitions().names() {
            for status in SagaStatus::ALL.into_iter().filter(|status| !status.has_ended()) {
                let by = BySagaStatus { saga: name.to_owned(), status: status.as_str() };
                self.now.get_or_create(&by).set(0);
                self.oldest.get_or_create(&by).set(0.0);
            }
        }
        for Census { saga, status, version, count, oldest } in census {
            let Some(named) = SagaStatus::named(&status) else { continue };
            let is_known = u32::try_from(version).is_ok_and(|it| self.store.definitions().get(&saga, it).is_some());
            if !is_known {
                self.unknown.inc_by(count);
            }
            let by = BySagaStatus { saga, status: named.as_str() };
            self.now.get_or_create(&by).inc_by(count);
            let age = (now() - oldest).to_std().unwrap_or_default().as_secs_f64();
            let known = self.oldest.get_or_create(&by).get();
            self.oldest.get_or_create(&by).set(age.max(known));
        }
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

/// A count of sagas, its name and what it says.
type SagaLine = (&'static str, &'static str, fn(&SagaCounts) -> u64);

const OF_SAGAS: [SagaLine; 8] = [
    ("sagas_started", "Sagas that began.", |counts| counts.started),
    ("sagas_completed", "Sagas whose steps are all done.", |counts| counts.completed),
    ("sagas_failed", "Sagas of which a step could not be done.", |counts| counts.failed),
    ("sagas_canceled", "Sagas that somebody wanted taken back.", |counts| counts.canceled),
    ("sagas_compensated", "Sagas of which all is taken back that was done.", |counts| counts.compensated),
    ("sagas_stuck", "Times that a saga came to wait for people: millgate saga list --status stuck.", |counts| {
        counts.stuck
    }),
    ("saga_commands", "Commands that were sent to steps' workers.", |counts| counts.commands),
    ("saga_replies_ignored", "Replies that said nothing new, or came when nobody waited any more.", |counts| {
        counts.ignored
    }),
];

/// The counters of the sagas that this process moved on.
#[derive(Debug)]
struct OfSagas(Arc<SagaStats>);

impl Collector for OfSagas {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let counts: Vec<_> = self.0.read().into_iter().map(|(saga, counts)| (BySaga { saga }, counts)).collect();
        for (name, help, of) in OF_SAGAS {
            let name = format!("millgate_{name}");
            let mut family = encoder.encode_descriptor(&name, help, None, MetricType::Counter)?;
            for (saga, counts) in &counts {
                ConstCounter::new(of(counts)).encode(family.encode_family(saga)?)?;
            }
        }
        Ok(())
    }
}

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

/// The count of a relay.
#[derive(Debug)]
struct OfRelay(Arc<RelayStats>);

impl Collector for OfRelay {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let help = "Events of the outbox that this relay put on Kafka.";
        let counter = encoder.encode_descriptor("millgate_outbox_published", help, None, MetricType::Counter)?;
        ConstCounter::new(self.0.published()).encode(counter)
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
            include_str!("../events/src/store/projection/metrics.rs"),
            include_str!("../workers/src/metrics.rs"),
            include_str!("metrics.rs"),
            include_str!("stored.rs"),
        ];
        let call = concat!("registry.", "register(");
        let literal = |rest: &str| rest.trim_start().strip_prefix('"')?.split('"').next().map(str::to_owned);
        let written = sources.iter().flat_map(|source| source.split(call).skip(1)).filter_map(literal);
        // Those of a bridge are always there; of the others, only what was counted.
        let metrics = Metrics::new(Vec::new(), vec![("shop".to_owned(), Arc::default())]);
        let metrics =
            metrics.with_streams(std::iter::once(("audit".to_owned(), Arc::default()))).with_relay(Arc::default());
        let text = metrics.text().await.unwrap();
        let read = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
        let of_sagas = OF_SAGAS.iter().map(|(name, ..)| format!("millgate_{name}"));
        written.chain(read.map(bare).map(str::to_owned)).chain(of_sagas).collect()
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
}
