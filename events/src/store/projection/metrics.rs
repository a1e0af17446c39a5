//! How far projections are, for whoever exports it.

use std::sync::{LazyLock, atomic::AtomicU64};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::ProjectionStatus;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByProjection {
    projection: String,
    state: &'static str,
}

/// Counts of this process, and what the database says.
#[derive(Debug, Default)]
pub struct ProjectionMetrics {
    applied: Family<ByProjection, Counter>,
    lag: Family<ByProjection, Gauge>,
    lag_seconds: Family<ByProjection, Gauge<f64, AtomicU64>>,
    failed: Family<ByProjection, Gauge>,
}

/// Those of this process.
pub fn metrics() -> &'static ProjectionMetrics {
    static METRICS: LazyLock<ProjectionMetrics> = LazyLock::new(ProjectionMetrics::default);
    &METRICS
}

impl ProjectionMetrics {
    /// Names them. Names are never changed: dashboards and alerts hang on them.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "millgate_projection_events_applied",
            "Events that this process has put into a projection's tables",
            self.applied.clone(),
        );
        registry.register(
            "millgate_projection_lag",
            "Events of the store that a projection has not looked at",
            self.lag.clone(),
        );
        registry.register("millgate_projection_lag_seconds", "The age of the first of these", self.lag_seconds.clone());
        registry.register(
            "millgate_projection_failed",
            "1 while a projection stands still, as it fails at an event",
            self.failed.clone(),
        );
    }

    pub(super) fn applied(&self, projection: &str, state: &'static str, events: u64) {
        self.applied.get_or_create(&ByProjection { projection: projection.to_owned(), state }).inc_by(events);
    }

    /// What is to be said of all of them. What is said no more is not known, or there no more.
    pub fn set(&self, all: &[ProjectionStatus]) {
        self.lag.clear();
        self.lag_seconds.clear();
        self.failed.clear();
        for status in all {
            let labels = ByProjection { projection: status.name.clone(), state: status.state.name() };
            self.lag.get_or_create(&labels).set(status.lag);
            self.lag_seconds.get_or_create(&labels).set(status.lag_seconds);
            self.failed.get_or_create(&labels).set(i64::from(status.error.is_some()));
        }
    }
}
