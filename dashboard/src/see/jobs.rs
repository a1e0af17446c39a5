//! Jobs as one sees them, many at a time.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures::future::try_join_all;
use millgate_jobs::{JobState, JobView, QueueError, QueueStats};
use serde::{Serialize, Serializer, ser::Error};
use serde_json::Value;

use super::{JobFilter, JobSearch};
use crate::{Site, access::Mask};

/// A job, the queue it is in, and its arguments.
#[derive(Debug, Clone)]
pub struct SeenJob {
    /// The queue.
    pub queue: String,
    /// The job. Its arguments are not shown from here.
    pub job: JobView,
    /// Its arguments as they are shown.
    pub arguments: Value,
}

impl SeenJob {
    /// A job of a queue, without what the mask hides of it.
    pub fn new(queue: &str, job: JobView, mask: Option<&Mask>) -> Self {
        let mut arguments = serde_json::from_str(&job.payload).unwrap_or_else(|_| Value::from(job.payload.as_str()));
        if let Some(mask) = mask {
            let event = job.origin.as_deref().map(|origin| origin.event_type.as_str());
            mask.apply_to_job(&job.kind, event, &mut arguments);
        }
        Self { queue: queue.to_owned(), arguments, job }
    }

    /// Whether all of its arguments are shown.
    pub fn is_whole(&self) -> bool {
        serde_json::from_str(&self.job.payload).map_or(true, |arguments: Value| arguments == self.arguments)
    }
}

/// All that the job has, with `arguments` and `queue` in place of its payload.
impl Serialize for SeenJob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut value = serde_json::to_value(&self.job).map_err(S::Error::custom)?;
        if let Some(fields) = value.as_object_mut() {
            fields.remove("payload");
            fields.insert("arguments".into(), self.arguments.clone());
            fields.insert("queue".into(), self.queue.as_str().into());
        }
        value.serialize(serializer)
    }
}

/// How far a look goes.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    /// So many jobs are wanted.
    pub jobs: usize,
    /// It ends after it has looked at so many.
    pub looks: u64,
    /// And after so many steps, of which each may look at some hundred.
    pub steps: u32,
}

impl Bound {
    /// Until so many jobs are found, however long that takes.
    pub fn none(jobs: usize) -> Self {
        Self { jobs, looks: u64::MAX, steps: u32::MAX }
    }

    /// A page: it has to be there at once.
    pub fn page(jobs: usize) -> Self {
        Self { jobs, looks: 4_000, steps: 30 }
    }
}

/// Some of the jobs that a filter lets through.
#[derive(Debug, Clone, Serialize)]
pub struct JobList {
    /// They, oldest first where that is known.
    pub jobs: Vec<SeenJob>,
    /// How many there are in all, as far as that is known.
    pub total: u64,
    /// Whether there are just so many; else there are at least so many.
    pub is_exact: bool,
    /// How many jobs were looked at, on this page and those before.
    pub looked: u64,
    /// Of how many.
    pub of: u64,
    /// Where to go on, if there is more to look at.
    pub next: Option<String>,
    /// When that was.
    pub now: DateTime<Utc>,
}

/// Jobs that a filter lets through, from a place on that an earlier list has told of. Else what is wrong with that place.
pub async fn jobs(
    site: &Site,
    filter: &JobFilter,
    from: Option<&str>,
    bound: Bound,
    mask: Option<&Mask>,
) -> Result<Result<JobList, String>, QueueError> {
    let (stats, now) = tokio::try_join!(stats(site, filter), now(site))?;
    let mut search = JobSearch::new(site, filter, &JobState::ALL);
    if let Some(from) = from {
        search = match search.from(from) {
            Ok(search) => search,
            Err(message) => return Ok(Err(message)),
        };
    }
    let mut search = search.without(|queue, state| stats.get(queue).is_some_and(|stats| in_state(stats, state) == 0));
    let states = filter.states(&JobState::ALL);
    let of: u64 = stats.values().flat_map(|stats| states.iter().map(|state| in_state(stats, *state))).sum();
    let (before, mut steps) = (search.looked(), 0);
    let mut found: Vec<SeenJob> = Vec::new();
    while found.len() < bound.jobs && search.looked() - before < bound.looks && steps < bound.steps {
        let Some((queue, jobs)) = search.next(bound.jobs - found.len()).await? else { break };
        found.extend(jobs.into_iter().map(|job| SeenJob::new(&queue, job, mask)));
        steps += 1;
    }
    let next = search.place();
    let all_are_here = from.is_none() && next.is_none();
    let here = found.len() as u64;
    Ok(Ok(JobList {
        total: if filter.is_counted() && !all_are_here { of.max(here) } else { here },
        is_exact: filter.is_counted() || all_are_here,
        looked: search.looked(),
        of: of.max(search.looked()),
        next,
        now,
        jobs: found,
    }))
}

/// The clock of Redis.
pub(crate) async fn now(site: &Site) -> Result<DateTime<Utc>, QueueError> {
    site.queues.queue("").now().await
}

/// What is in the queues that a filter names.
async fn stats(site: &Site, filter: &JobFilter) -> Result<BTreeMap<String, QueueStats>, QueueError> {
    let names = filter.queue.as_ref().map_or(&site.queue_names[..], std::slice::from_ref);
    let all =
        names.iter().map(async |name| Ok::<_, QueueError>((name.clone(), site.queues.queue(name).stats().await?)));
    Ok(try_join_all(all).await?.into_iter().collect())
}

/// How many jobs of a queue are in a state.
pub fn in_state(stats: &QueueStats, state: JobState) -> u64 {
    match state {
        JobState::Waiting => stats.waiting,
        JobState::Delayed => stats.delayed,
        JobState::Held => stats.held,
        JobState::Active => stats.active,
        JobState::Dead => stats.unburied,
        JobState::Done => stats.kept,
    }
}
