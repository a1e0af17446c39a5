//! What Prometheus reads: the counts of this process, and what the queues hold.
//!
//! `docs/metrics.md` lists every name. None is ever changed: dashboards and alerts hang on them.

mod bridges;
mod line;
mod queues;
mod relay;
mod sagas;
mod stored;
mod streams;
#[cfg(test)]
mod tests;
mod text;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use chrono::{DateTime, Utc};
use millgate_bridge::{
    BridgeStats,
    saga::{SagaStats, SagaStore},
};
use millgate_events::{DeadLetterStore, OutboxStore, RelayStats};
use millgate_jobs::Queue;
use millgate_streams::{StreamRunner, StreamStats, changes::ChangeStats, windows::WindowStats};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};

use self::{
    bridges::OfBridges,
    queues::Held,
    relay::OfRelay,
    sagas::{OfSagas, SagaCensus},
    stored::Stored,
    streams::{OfChanges, OfStreams, OfWindows},
};

/// A server that has not said what it holds within so long is left out.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    application: String,
    role: String,
    version: &'static str,
}

/// No labels: a family, so that it can be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Whole {}

/// All there is to be read.
pub(crate) struct Metrics {
    registry: Registry,
    builds: Family<Build, Gauge>,
    held: Held,
    stored: Option<Stored>,
    sagas: Option<SagaCensus>,
}

impl Metrics {
    /// Of this process; of its bridges, by consumer group; and of these queues.
    pub(crate) fn new(queues: Vec<Queue>, bridges: Vec<(String, Arc<BridgeStats>)>) -> Self {
        let mut registry = Registry::default();
        millgate_events::metrics().register(&mut registry);
        millgate_workers::metrics().register(&mut registry);
        if !bridges.is_empty() {
            registry.register_collector(Box::new(OfBridges(bridges)));
        }
        let held = Held::new(queues, &mut registry);
        let builds = Family::default();
        registry.register(
            "millgate_build_info",
            "1 for each role that runs in this process, with its application and version",
            Family::clone(&builds),
        );
        Self { registry, builds, held, stored: None, sagas: None }
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

    /// The same with those of sagas.
    #[must_use]
    pub(crate) fn with_sagas(mut self, stats: Arc<SagaStats>, store: SagaStore) -> Self {
        self.registry.register_collector(Box::new(OfSagas(stats)));
        self.sagas = Some(SagaCensus::new(store, &mut self.registry));
        self
    }

    /// The same with all that is counted of streams.
    #[must_use]
    pub(crate) fn of_streams(self, runners: &[StreamRunner]) -> Self {
        let counted = runners.iter().map(|runner| (runner.name().to_owned(), runner.stats()));
        let changes = runners.iter().filter_map(|runner| Some((runner.name().to_owned(), runner.changes()?)));
        let windows = runners.iter().filter_map(|runner| Some((runner.name().to_owned(), runner.windows()?)));
        self.with_streams(counted).with_changes(changes).with_windows(windows)
    }

    /// The same with the counts of streams.
    #[must_use]
    fn with_streams(mut self, streams: impl Iterator<Item = (String, Arc<StreamStats>)>) -> Self {
        self.registry.register_collector(Box::new(OfStreams(streams.collect())));
        self
    }

    /// The same with what became of changes.
    #[must_use]
    fn with_changes(mut self, streams: impl Iterator<Item = (String, Arc<ChangeStats>)>) -> Self {
        self.registry.register_collector(Box::new(OfChanges(streams.collect())));
        self
    }

    /// The same with the counts of windows.
    #[must_use]
    fn with_windows(mut self, windows: impl Iterator<Item = (String, Arc<WindowStats>)>) -> Self {
        self.registry.register_collector(Box::new(OfWindows(windows.collect())));
        self
    }

    /// In the text format of Prometheus.
    pub(crate) async fn text(&self) -> Result<String, fmt::Error> {
        let tables = async {
            if let Some(stored) = &self.stored {
                stored.ask(PATIENCE).await;
            }
        };
        let sagas = async {
            if let Some(sagas) = &self.sagas {
                sagas.ask(PATIENCE).await;
            }
        };
        tokio::join!(self.held.ask(PATIENCE), tables, sagas);
        let mut out = String::new();
        prometheus_client::encoding::text::encode(&mut out, &self.registry)?;
        Ok(text::plain(&out))
    }
}

/// How long ago something was, in seconds.
#[expect(clippy::disallowed_methods, reason = "how long something has waited is a question of now")]
fn age(since: DateTime<Utc>) -> f64 {
    let now: DateTime<Utc> = SystemTime::now().into();
    (now - since).to_std().unwrap_or_default().as_secs_f64()
}
