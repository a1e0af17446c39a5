//! All that is known of one job.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures::future::try_join_all;
use millgate_jobs::{JobId, JobView, QueueError, QueueStats};
use serde::Serialize;

use super::{
    Reason, SeenJob,
    why::{Known, why},
};
use crate::{Site, access::Mask};

/// A job, and what keeps it from running.
#[derive(Debug, Clone, Serialize)]
pub struct JobPage {
    /// The job.
    #[serde(flatten)]
    pub job: SeenJob,
    /// Why it is not running, or that it is.
    pub why: String,
    /// The same, one by one.
    pub reasons: Vec<Reason>,
    /// Its queue.
    #[serde(skip)]
    pub stats: QueueStats,
    /// When that was.
    #[serde(skip)]
    pub now: DateTime<Utc>,
}

/// A job by its id: that of the queue, or an id of its own, as logs have it. Else why there is none.
pub async fn job(
    site: &Site,
    names: &[String],
    id: &str,
    mask: Option<&Mask>,
) -> Result<Result<JobPage, String>, QueueError> {
    let (queue, job) = match find(site, names, id).await? {
        Ok(found) => found,
        Err(message) => return Ok(Err(message)),
    };
    let on = site.queues.queue(&queue);
    let (stats, now, alive) = tokio::try_join!(on.stats(), on.now(), alive(site, &queue))?;
    let known = Known { here: &site.kinds, alive: alive.as_ref() };
    let reasons = why(&on, &job, &stats, &known, now).await?;
    let why = reasons.iter().map(|reason| reason.text.as_str()).collect::<Vec<_>>().join("; ");
    Ok(Ok(JobPage { job: SeenJob::new(&queue, job, mask), why, reasons, stats, now }))
}

/// The kinds that workers of a queue know that are alive; nothing, if there is none.
async fn alive(site: &Site, queue: &str) -> Result<Option<BTreeMap<String, u32>>, QueueError> {
    let processes = site.queues.processes().list().await?;
    let workers = processes.into_iter().filter(|process| process.queues.iter().any(|worked| worked.name == queue));
    let known: Vec<_> = workers.map(|process| process.kinds).collect();
    let newest = known.iter().flatten().fold(BTreeMap::<String, u32>::new(), |mut newest, (kind, version)| {
        let known = newest.entry(kind.clone()).or_default();
        *known = (*known).max(*version);
        newest
    });
    Ok((!known.is_empty()).then_some(newest))
}

/// The jobs of that id in these queues, with their queues.
pub async fn candidates(site: &Site, names: &[String], id: &str) -> Result<Vec<(String, JobView)>, QueueError> {
    let in_queue = async |name: &String| {
        let queue = site.queues.queue(name);
        let mut keys = queue.find("id", id, None, 10).await?;
        if let Ok(key) = id.parse::<JobId>()
            && !keys.contains(&key)
        {
            keys.push(key);
        }
        let jobs = if keys.is_empty() { Vec::new() } else { queue.look(&keys).await? };
        Ok::<_, QueueError>(jobs.into_iter().map(|job| (name.clone(), job)).collect::<Vec<_>>())
    };
    Ok(try_join_all(names.iter().map(in_queue)).await?.into_iter().flatten().collect())
}

/// The one job of that id in these queues. Else why there is none.
pub async fn find(site: &Site, names: &[String], id: &str) -> Result<Result<(String, JobView), String>, QueueError> {
    let mut found = candidates(site, names, id).await?;
    if found.len() > 1 {
        let places: Vec<_> = found.iter().map(|(queue, job)| format!("{} in {queue}", job.key)).collect();
        return Ok(Err(format!("{id} may be {}; say which by --queue or by that id", places.join(" or "))));
    }
    let gone = || {
        let names = names.join(", ");
        format!("there is no job {id} in {names}; what is done, cancelled or on the dead-letter topic is gone")
    };
    Ok(found.pop().ok_or_else(gone))
}
