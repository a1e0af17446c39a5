//! What is done to a whole queue.

use millgate_jobs::{Limits, Queue, QueueStats};

use super::{ActError, Action, Performed};
use crate::Site;

/// A queue that the application knows, or that Redis holds something of: programs in other languages fill queues, too.
pub(super) async fn known(site: &Site, name: &str) -> Result<(Queue, QueueStats), ActError> {
    let queue = site.queues.queue(name);
    let stats = queue.stats().await?;
    if stats == QueueStats::default() && !site.queue_names.iter().any(|known| known == name) {
        return Err(ActError::Gone(site.no_queue(name)));
    }
    Ok((queue, stats))
}

pub(super) async fn pause(site: &Site, name: &str) -> Result<Performed, ActError> {
    let (queue, stats) = known(site, name).await?;
    queue.pause().await?;
    let performed = Performed::new(format!("queue {name} is paused: no worker takes jobs from it"));
    Ok(if stats.paused { performed } else { performed.undone_by(Action::ResumeQueue { queue: name.into() }) })
}

pub(super) async fn resume(site: &Site, name: &str) -> Result<Performed, ActError> {
    let (queue, stats) = known(site, name).await?;
    queue.resume().await?;
    let performed = Performed::new(format!("queue {name} goes on"));
    Ok(match (stats.paused, stats.draining) {
        (true, _) => performed.undone_by(Action::PauseQueue { queue: name.into() }),
        (false, true) => performed.undone_by(Action::DrainQueue { queue: name.into() }),
        (false, false) => performed,
    })
}

pub(super) async fn drain(site: &Site, name: &str) -> Result<Performed, ActError> {
    let (queue, stats) = known(site, name).await?;
    queue.drain().await?;
    let performed = Performed::new(format!("queue {name} takes no more jobs; what is there is done"));
    Ok(if stats.draining { performed } else { performed.undone_by(Action::ResumeQueue { queue: name.into() }) })
}

pub(super) async fn limit(site: &Site, name: &str, limits: &Limits) -> Result<Performed, ActError> {
    if let Some(problem) = limits.problem() {
        return Err(ActError::Refused(problem.into()));
    }
    let (queue, stats) = known(site, name).await?;
    queue.limit(limits).await?;
    let performed = Performed::new(format!("queue {name} has its new limits, from the next claim on"));
    Ok(performed.undone_by(Action::LimitQueue { queue: name.into(), limits: stats.limits }))
}
