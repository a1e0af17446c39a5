//! Processes as one sees them.

use chrono::{DateTime, Utc};
use millgate_jobs::{Process, QueueError};
use serde::Serialize;

use crate::Site;

/// A process, with what its queues come to.
#[derive(Debug, Clone, Serialize)]
pub struct ProcessView {
    /// As it described itself.
    #[serde(flatten)]
    pub process: Process,
    /// Jobs that run in it now.
    pub in_hand: u64,
    /// Most jobs that run in it at a time.
    pub concurrency: u64,
    /// How much of its places was in use of late: 0 to 1; nothing if it has none.
    pub utilisation: Option<f64>,
    /// When it last asked for jobs.
    pub last_fetch: Option<DateTime<Utc>>,
    /// Partitions whose events it hands off, or folds into tables.
    pub partitions: usize,
}

impl From<Process> for ProcessView {
    #[expect(clippy::cast_precision_loss, reason = "a share of some thousand places")]
    fn from(process: Process) -> Self {
        let concurrency: u64 = process.queues.iter().map(|queue| queue.concurrency as u64).sum();
        let busy: f64 = process.queues.iter().map(|queue| queue.utilisation * queue.concurrency as f64).sum();
        Self {
            in_hand: process.queues.iter().map(|queue| queue.in_hand).sum(),
            concurrency,
            utilisation: (concurrency > 0).then(|| busy / concurrency as f64),
            last_fetch: process.queues.iter().filter_map(|queue| queue.last_fetch).max(),
            partitions: process.groups.iter().flat_map(|group| group.partitions.values()).map(Vec::len).sum(),
            process,
        }
    }
}

impl ProcessView {
    /// Where it is: machine and number.
    pub fn place(&self) -> String {
        format!("{}:{}", self.process.host, self.process.pid)
    }
}

/// All processes that run, those that started first first.
pub async fn processes(site: &Site) -> Result<Vec<ProcessView>, QueueError> {
    Ok(site.queues.processes().list().await?.into_iter().map(ProcessView::from).collect())
}

/// One process, if it runs.
pub async fn process(site: &Site, id: &str) -> Result<Option<ProcessView>, QueueError> {
    Ok(processes(site).await?.into_iter().find(|view| view.process.id == id))
}
