//! What a bench and its processes tell each other, a line of JSON each.

use millgate_bridge::BridgeConfig;
use millgate_events::KafkaConfig;
use millgate_jobs::RedisConfig;
use millgate_workers::WorkerConfig;
use serde::{Deserialize, Serialize};

use super::{
    clock::{Micros, seconds},
    trail::BenchTrail,
};

/// To a worker process, first of all. Not as arguments or variables: the URL may hold a password. A second line, of
/// whatever text, lets it begin; the end of its input asks for its report.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) redis: RedisConfig,
    pub(super) worker: WorkerConfig,
    /// Whether there are layers around its handlers.
    pub(super) layered: bool,
    pub(super) trail: Option<BenchTrail>,
}

/// To a bridge process, first of all.
#[derive(Serialize, Deserialize)]
pub(super) struct BridgeOrder {
    pub(super) kafka: KafkaConfig,
    pub(super) bridge: BridgeConfig,
    pub(super) redis: RedisConfig,
    pub(super) trail: Option<BenchTrail>,
}

/// From a bridge process, at its end.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct BridgeReport {
    /// Processor time since it began, in seconds.
    pub(super) cpu_s: f64,
    /// Most memory that it ever held.
    pub(super) peak_memory_kib: u64,
}

/// From a process: it can reach its servers, and waits to begin.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ready {
    pub(super) ready: bool,
}

/// From a worker process, at its end.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Report {
    /// Processor time since it began, in seconds.
    pub(super) cpu_s: f64,
    /// Every run of a job, in the order of their starts.
    pub(super) starts: Vec<Start>,
}

/// A job that started.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Start {
    pub(super) at: Micros,
    pub(super) due: Micros,
}

impl Report {
    /// When the first job started.
    pub(super) fn first(&self) -> Option<Micros> {
        self.starts.iter().map(|start| start.at).min()
    }

    /// When the last job started.
    pub(super) fn last(&self) -> Option<Micros> {
        self.starts.iter().map(|start| start.at).max()
    }

    /// How much later than due each job started, in milliseconds.
    pub(super) fn lateness_ms(&self) -> Vec<f64> {
        self.starts.iter().map(|start| seconds(start.due, start.at) * 1000.0).collect()
    }
}
