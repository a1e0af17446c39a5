//! Which jobs an action is about.

use millgate_jobs::{JobId, JobState, JobView};
use serde::{Deserialize, Deserializer, Serialize, de::Error};

use super::{ActError, Work, job_deed::Deed};
use crate::{
    Site,
    see::{self, JobFilter, JobSearch},
};

/// Jobs of one queue: those that are named, or all that a filter lets through.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobChoice {
    /// The queue.
    pub queue: String,
    /// Their ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "ids")]
    pub ids: Vec<String>,
    /// Which, if none is named. Its queue is not said again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<JobFilter>,
}

/// A list, or the same as a text: a form has only texts.
fn ids<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Ids {
        List(Vec<String>),
        Text(String),
    }
    match Ids::deserialize(deserializer)? {
        Ids::List(ids) => Ok(ids),
        Ids::Text(text) => serde_json::from_str(&text).map_err(D::Error::custom),
    }
}

impl JobChoice {
    /// Jobs that are named.
    pub fn named(queue: &str, ids: Vec<String>) -> Self {
        Self { queue: queue.to_owned(), ids, filter: None }
    }

    /// All of a queue that a filter lets through.
    pub fn filtered(queue: &str, filter: &JobFilter) -> Self {
        Self { queue: queue.to_owned(), ids: Vec::new(), filter: Some(JobFilter { queue: None, ..filter.clone() }) }
    }

    /// Whether one has to be sure: there may be more than one.
    pub(super) fn is_many(&self) -> bool {
        self.filter.is_some() || self.ids.len() > 1
    }

    /// As part of a sentence.
    pub(super) fn words(&self) -> String {
        let queue = &self.queue;
        match (&self.filter, &self.ids[..]) {
            (Some(filter), _) => format!("all {filter} in queue {queue}"),
            (None, [id]) => format!("job {id} in queue {queue}"),
            (None, ids) => format!("{} jobs in queue {queue}", ids.len()),
        }
    }
}

/// The jobs that are meant, and why others that were named are not.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    pub(super) ids: Vec<JobId>,
    pub(super) refused: Vec<String>,
    /// Whether there may be more.
    pub(super) is_cut: bool,
}

/// No more are looked at before somebody is sure.
pub(super) const COUNTED: u64 = 50_000;

/// Finds them: all, or those among the first `looks` that are looked at.
pub(super) async fn choose(
    site: &Site,
    choice: &JobChoice,
    deed: &Deed,
    looks: u64,
    work: &Work,
) -> Result<Chosen, ActError> {
    match &choice.filter {
        Some(_) if !choice.ids.is_empty() => {
            Err(ActError::Refused("jobs are named by their ids or chosen by a filter, not both".into()))
        }
        Some(filter) => by_filter(site, &choice.queue, filter, deed, looks, work).await,
        None if choice.ids.is_empty() => {
            Err(ActError::Refused("no job is named; choose some, or say which by a filter".into()))
        }
        None => by_id(site, choice, deed).await,
    }
}

/// All of them before the first is touched: what is done moves those that follow.
async fn by_filter(
    site: &Site,
    queue: &str,
    filter: &JobFilter,
    deed: &Deed,
    looks: u64,
    work: &Work,
) -> Result<Chosen, ActError> {
    if let Some(state) = filter.state.filter(|state| !deed.states().contains(state)) {
        return Err(ActError::Refused(deed.wrong_state(state)));
    }
    let filter = JobFilter { queue: Some(queue.to_owned()), ..filter.clone() };
    let mut search = JobSearch::new(site, &filter, deed.states());
    let mut chosen = Chosen::default();
    while let Some((_, ids)) = search.next_ids().await? {
        chosen.ids.extend(ids);
        if work.is_stopped() || search.looked() >= looks {
            chosen.is_cut = search.place().is_some();
            break;
        }
    }
    Ok(chosen)
}

async fn by_id(site: &Site, choice: &JobChoice, deed: &Deed) -> Result<Chosen, ActError> {
    let queue = site.queues.queue(&choice.queue);
    let keys: Vec<JobId> = choice.ids.iter().filter_map(|id| id.parse().ok()).collect();
    let looked = queue.look(&keys).await?;
    let mut chosen = Chosen::default();
    let mut take = |id: &str, job: &JobView| {
        if deed.states().contains(&job.state) {
            chosen.ids.push(job.key);
        } else {
            chosen.refused.push(deed.refusal(id, job.state));
        }
    };
    let mut missing = Vec::new();
    for id in &choice.ids {
        match looked.iter().find(|job| job.key.as_str() == id) {
            Some(job) => take(id, job),
            None => missing.push(id),
        }
    }
    let names = std::slice::from_ref(&choice.queue);
    let mut gone = Vec::new();
    for id in missing {
        match see::find(site, names, id).await? {
            Ok((_, job)) => take(id, &job),
            Err(message) => gone.push(message),
        }
    }
    chosen.refused.extend(gone);
    let mut seen = std::collections::HashSet::new();
    chosen.ids.retain(|id| seen.insert(*id));
    Ok(chosen)
}

/// What is not done to a job in another state.
pub(super) fn names(states: &[JobState]) -> String {
    states.iter().map(|state| state.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_a_list_or_the_text_of_one() {
        let list: JobChoice = serde_json::from_str(r#"{"queue":"mail","ids":["a","b"]}"#).unwrap();
        let text: JobChoice = serde_json::from_str(r#"{"queue":"mail","ids":"[\"a\",\"b\"]"}"#).unwrap();
        assert_eq!(list, text);
        assert_eq!(list.words(), "2 jobs in queue mail");
        assert!(serde_json::from_str::<JobChoice>(r#"{"queue":"mail","ids":"a"}"#).is_err());
    }
}
