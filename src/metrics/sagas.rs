//! What is known of sagas: by this process, and by their table.

use std::{
    fmt,
    hash::Hash,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use chrono::{DateTime, Utc};
use millgate_bridge::saga::{Census, SagaCounts, SagaStats, SagaStatus, SagaStore};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet},
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};

use super::{
    Whole, age,
    line::{self, Line},
};

const COUNTERS: [Line<SagaCounts>; 8] = [
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

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BySaga {
    saga: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BySagaStatus {
    saga: String,
    status: &'static str,
}

/// The counters of the sagas that this process moved on.
#[derive(Debug)]
pub(super) struct OfSagas(pub(super) Arc<SagaStats>);

impl Collector for OfSagas {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let counts: Vec<_> = self.0.read().into_iter().map(|(saga, counts)| (BySaga { saga }, counts)).collect();
        line::counters(&mut encoder, &COUNTERS, &counts)
    }
}

/// Those that have not ended.
pub(super) struct SagaCensus {
    store: SagaStore,
    now: Family<BySagaStatus, Gauge>,
    oldest: Family<BySagaStatus, Gauge<f64, AtomicU64>>,
    overdue: Family<BySaga, Gauge<f64, AtomicU64>>,
    unknown: Family<Whole, Gauge>,
}

impl SagaCensus {
    /// Names what is there to be read.
    pub(super) fn new(store: SagaStore, registry: &mut Registry) -> Self {
        let (now, oldest, overdue, unknown) =
            (Family::default(), Family::default(), Family::default(), Family::default());
        registry.register(
            "millgate_sagas_now",
            "Sagas that have not ended, by how they are, in the whole cluster: every process says the same",
            Family::clone(&now),
        );
        registry.register(
            "millgate_sagas_oldest_seconds",
            "For how long the oldest of them is under way",
            Family::clone(&oldest),
        );
        registry.register(
            "millgate_sagas_overdue_seconds",
            "For how long the first timer of a saga, of a version that this process has, should have fired",
            Family::clone(&overdue),
        );
        registry.register(
            "millgate_sagas_unknown_version",
            "Sagas under way whose version of their definition this process does not have",
            Family::clone(&unknown),
        );
        Self { store, now, oldest, overdue, unknown }
    }

    /// Asks the database.
    pub(super) async fn ask(&self, patience: Duration) {
        let census = tokio::time::timeout(patience, self.store.census()).await;
        self.set(census.ok().and_then(Result::ok));
    }

    /// How many there are. What is not known is left out.
    fn set(&self, census: Option<Vec<Census>>) {
        self.now.clear();
        self.oldest.clear();
        self.overdue.clear();
        self.unknown.clear();
        let Some(census) = census else { return };
        self.unknown.get_or_create(&Whole {}).set(0);
        // One that is not there is a figure, too.
        for name in self.store.definitions().names() {
            self.overdue.get_or_create(&BySaga { saga: name.to_owned() }).set(0.0);
            for status in SagaStatus::ALL.into_iter().filter(|status| !status.has_ended()) {
                let by = BySagaStatus { saga: name.to_owned(), status: status.as_str() };
                self.now.get_or_create(&by).set(0);
                self.oldest.get_or_create(&by).set(0.0);
            }
        }
        for Census { saga, status, version, count, oldest, due } in census {
            let Some(named) = SagaStatus::named(&status) else { continue };
            let is_known = u32::try_from(version).is_ok_and(|it| self.store.definitions().get(&saga, it).is_some());
            if let (true, Some(due)) = (is_known, due) {
                longest(&self.overdue, &BySaga { saga: saga.clone() }, due);
            }
            if !is_known {
                self.unknown.get_or_create(&Whole {}).inc_by(count);
            }
            let by = BySagaStatus { saga, status: named.as_str() };
            self.now.get_or_create(&by).inc_by(count);
            longest(&self.oldest, &by, oldest);
        }
    }
}

/// Says for how long something has been, unless it is said of something longer.
fn longest<L: Clone + Hash + Eq>(gauges: &Family<L, Gauge<f64, AtomicU64>>, by: &L, since: DateTime<Utc>) {
    let gauge = gauges.get_or_create(by);
    gauge.set(age(since).max(gauge.get()));
}
