//! Queues as one sees them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::future::try_join_all;
use millgate_jobs::{Queue, QueueError, QueueStats};
use serde::Serialize;

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

/// All queues of an application, by name.
pub async fn queues(site: &Site) -> Result<Vec<QueueView>, QueueError> {
    let looks = site.queue_names.iter().map(|name| async { QueueView::of(&site.queues.queue(name)).await });
    try_join_all(looks).await
}

/// One queue; none if the application does not know it and Redis holds nothing of it.
pub async fn queue(site: &Site, name: &str) -> Result<Option<QueueView>, QueueError> {
    let view = QueueView::of(&site.queues.queue(name)).await?;
    let is_known = site.queue_names.iter().any(|known| known == name);
    Ok(Some(view).filter(|view| is_known || !view.is_unheard_of()))
}
