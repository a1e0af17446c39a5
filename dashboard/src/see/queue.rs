//! Queues as one sees them.

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, Utc};
use futures::future::try_join_all;
use millgate_jobs::{History, Process, Queue, QueueError, QueueStats, Span};
use serde::Serialize;

use super::{
    ProcessView,
    wrong::{serving, unknown_kinds},
};
use crate::Site;

/// A queue, and how long its oldest waiting job has waited.
#[derive(Debug, Clone, Serialize)]
pub struct QueueView {
    /// Its name.
    pub name: String,
    /// Its counts and limits.
    #[serde(flatten)]
    pub stats: QueueStats,
    /// The age of the job that has waited longest, in seconds; nothing if none waits.
    pub oldest_age_seconds: Option<u64>,
    /// When that was.
    #[serde(skip)]
    pub now: DateTime<Utc>,
}

impl QueueView {
    /// Looks at one queue.
    pub async fn of(queue: &Queue) -> Result<Self, QueueError> {
        let (stats, now) = tokio::try_join!(queue.stats(), queue.now())?;
        let view = Self { name: queue.name().to_owned(), stats, oldest_age_seconds: None, now };
        Ok(Self { oldest_age_seconds: view.oldest_age().map(|age| age.as_secs()), ..view })
    }

    /// The age of the job that has waited longest.
    pub fn oldest_age(&self) -> Option<Duration> {
        // A job that came between the two questions is newer than neither.
        Some((self.now - self.stats.oldest?).to_std().unwrap_or_default())
    }

    /// Whether Redis holds nothing of it, and never did.
    pub fn is_unheard_of(&self) -> bool {
        self.stats == QueueStats::default()
    }
}

/// A queue, what happened in it, and who works on it.
#[derive(Debug, Clone, Serialize)]
pub struct QueueDetail {
    /// Its counts and limits.
    #[serde(flatten)]
    pub view: QueueView,
    /// What happened in the last hour, day or week.
    pub history: History,
    /// The processes that take jobs from it.
    pub workers: Vec<ProcessView>,
    /// Kinds that have jobs under way, and that none of these processes knows.
    pub unknown_kinds: Vec<String>,
}

/// All queues: those that the application knows, and those that somebody works on; by name.
pub async fn queues(site: &Site) -> Result<Vec<QueueView>, QueueError> {
    let processes = site.queues.processes().list().await?;
    queues_of(site, &queue_names(site, &processes)).await
}

/// The last hour of each of these queues.
pub async fn hours(site: &Site, queues: &[QueueView]) -> Result<Vec<History>, QueueError> {
    try_join_all(queues.iter().map(|view| async { site.queues.queue(&view.name).history(Span::Hour).await })).await
}

pub(super) fn queue_names(site: &Site, processes: &[Process]) -> Vec<String> {
    let worked = processes.iter().flat_map(|process| &process.queues).map(|queue| &queue.name);
    let names: BTreeSet<&String> = site.queue_names.iter().chain(worked).collect();
    names.into_iter().cloned().collect()
}

pub(super) async fn queues_of(site: &Site, names: &[String]) -> Result<Vec<QueueView>, QueueError> {
    try_join_all(names.iter().map(|name| async { QueueView::of(&site.queues.queue(name)).await })).await
}

/// One queue; none if the application does not know it, nobody works on it and Redis holds nothing of it.
pub async fn queue(site: &Site, name: &str, span: Span) -> Result<Option<QueueDetail>, QueueError> {
    let (queue, processes) = (site.queues.queue(name), site.queues.processes());
    let (view, history, processes) = tokio::try_join!(QueueView::of(&queue), queue.history(span), processes.list())?;
    let workers: Vec<ProcessView> = serving(&processes, name).cloned().map(ProcessView::from).collect();
    let is_known = site.queue_names.iter().any(|known| known == name) || !workers.is_empty();
    if view.is_unheard_of() && !is_known {
        return Ok(None);
    }
    let unknown_kinds = unknown_kinds(&view, &processes).into_iter().map(str::to_owned).collect();
    Ok(Some(QueueDetail { view, history, workers, unknown_kinds }))
}
