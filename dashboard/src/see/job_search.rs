//! Going through jobs in steps that hold nobody up.

use std::{collections::HashSet, fmt};

use millgate_jobs::{Between, JobId, JobState, JobView, QueueError, Queues};

use super::{JobFilter, Term};
use crate::Site;

/// Ids in one step.
const STEP: usize = 200;

/// A way through the jobs that a filter lets through. It goes on at any place that it has told of.
pub struct JobSearch<'a> {
    queues: &'a Queues,
    filter: &'a JobFilter,
    states: Vec<JobState>,
    stops: Vec<Stop>,
    /// Stops where there is nothing.
    empty: Vec<bool>,
    place: Place,
    seen: HashSet<JobId>,
}

/// Where jobs are to be found: in a queue those of a state, or those that are indexed.
struct Stop {
    queue: String,
    state: Option<JobState>,
}

/// Where a search is: at which stop, behind which of its jobs; how many it has looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Place {
    stop: usize,
    cursor: String,
    /// So many of the step that begins there are done.
    skip: usize,
    looked: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}.{}.{}", self.stop, self.skip, self.looked, self.cursor.replace(' ', "-"))
    }
}

impl Place {
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '.');
        let mut number = || parts.next()?.parse::<usize>().ok();
        let (stop, skip, looked) = (number()?, number()?, number()?);
        let cursor = parts.next()?;
        let is_ours = cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        is_ours.then(|| Self { stop, skip, looked: looked as u64, cursor: cursor.replace('-', " ") })
    }
}

impl<'a> JobSearch<'a> {
    /// Through those of `states`, from the first on.
    pub fn new(site: &'a Site, filter: &'a JobFilter, states: &[JobState]) -> Self {
        let names = filter.queue.as_ref().map_or(&site.queue_names[..], std::slice::from_ref);
        let states = filter.states(states);
        let stops = names.iter().flat_map(|queue| {
            let stop = |state| Stop { queue: queue.clone(), state };
            match filter.term {
                Some(Term::Index { .. }) => vec![stop(None)],
                _ => states.iter().map(|state| stop(Some(*state))).collect(),
            }
        });
        let stops: Vec<Stop> = stops.collect();
        let empty = vec![false; stops.len()];
        Self { queues: &site.queues, filter, states, stops, empty, place: Place::default(), seen: HashSet::new() }
    }

    /// From a place on that such a search has told of.
    pub fn from(self, place: &str) -> Result<Self, String> {
        let place = Place::read(place).filter(|place| place.stop < self.stops.len());
        let place = place.ok_or("that is no place in these jobs; begin with the first page")?;
        Ok(Self { place, ..self })
    }

    /// Passing over what is known to be empty.
    pub fn without(mut self, is_empty: impl Fn(&str, JobState) -> bool) -> Self {
        let stop_is_empty = |stop: &Stop| stop.state.is_some_and(|state| is_empty(&stop.queue, state));
        self.empty = self.stops.iter().map(stop_is_empty).collect();
        self.pass_over();
        self
    }

    fn pass_over(&mut self) {
        while self.place.cursor.is_empty() && self.empty.get(self.place.stop) == Some(&true) {
            self.place.stop += 1;
        }
    }

    /// Where it would go on; nothing at the end.
    pub fn place(&self) -> Option<String> {
        (self.place.stop < self.stops.len()).then(|| self.place.to_string())
    }

    /// How many jobs it has looked at.
    pub fn looked(&self) -> u64 {
        self.place.looked
    }

    /// The next jobs, up to `most`, and their queue. There may be none, and still more to come; `None` is the end. What moves
    /// meanwhile may be missed.
    pub async fn next(&mut self, most: usize) -> Result<Option<(String, Vec<JobView>)>, QueueError> {
        let Some((queue, state, ids, before)) = self.step(most).await? else { return Ok(None) };
        let may_be = |id: &JobId| state.is_none_or(|state| self.filter.may_be(*id, state));
        let likely: Vec<JobId> = ids.iter().copied().filter(may_be).collect();
        let jobs = self.queues.queue(&queue).look(&likely).await?;
        let mut found: Vec<JobView> = Vec::new();
        for job in jobs {
            let is_meant = self.states.contains(&job.state) && state.is_none_or(|state| state == job.state);
            if !is_meant || !self.filter.fits(&job) || !self.seen.insert(job.key) {
                continue;
            }
            if found.len() == most {
                // This one is the first of the next step, which begins where this one did.
                self.seen.remove(&job.key);
                let done = ids.iter().position(|id| *id == job.key).unwrap_or(ids.len());
                let looked = before.looked + done as u64;
                self.place = Place { skip: before.skip + done, looked, ..before };
                break;
            }
            found.push(job);
        }
        Ok(Some((queue, found)))
    }

    /// The same where only ids are wanted: nothing is looked at that need not be.
    pub async fn next_ids(&mut self) -> Result<Option<(String, Vec<JobId>)>, QueueError> {
        if self.filter.term.is_some() {
            let found = self.next(STEP).await?;
            return Ok(found.map(|(queue, jobs)| (queue, jobs.into_iter().map(|job| job.key).collect())));
        }
        let Some((queue, state, mut ids, _)) = self.step(STEP).await? else { return Ok(None) };
        ids.retain(|id| state.is_none_or(|state| self.filter.may_be(*id, state)) && self.seen.insert(*id));
        Ok(Some((queue, ids)))
    }

    /// Ids of the next step that may be meant, and where it began.
    async fn step(&mut self, most: usize) -> Result<Option<(String, Option<JobState>, Vec<JobId>, Place)>, QueueError> {
        let Some(stop) = self.stops.get(self.place.stop) else { return Ok(None) };
        let (queue, before) = (self.queues.queue(&stop.queue), self.place.clone());
        // Where all that come are meant no more are fetched than are wanted.
        let are_meant = self.filter.term.is_none() && self.filter.span() == Between::default();
        let most = if are_meant { (most + before.skip).clamp(1, STEP) } else { STEP };
        let (mut ids, next) = match (&self.filter.term, stop.state) {
            (Some(Term::Index { field, value }), _) => {
                let found = queue.find(field, value, before.cursor.parse().ok(), most).await?;
                let next = found.last().filter(|_| found.len() == most).map(ToString::to_string);
                (found, next)
            }
            (_, Some(state)) => {
                let from = (!before.cursor.is_empty()).then_some(before.cursor.as_str());
                let (span, kind) = (self.filter.span(), self.filter.kind.as_deref());
                let page = queue.page_within(state, span, from, most, kind).await?;
                (page.ids, page.next)
            }
            (_, None) => (Vec::new(), None),
        };
        ids.drain(..before.skip.min(ids.len()));
        let looked = before.looked + ids.len() as u64;
        self.place = match next {
            Some(cursor) => Place { stop: before.stop, cursor, skip: 0, looked },
            None => Place { stop: before.stop + 1, cursor: String::new(), skip: 0, looked },
        };
        let (name, state) = (stop.queue.clone(), stop.state);
        self.pass_over();
        Ok(Some((name, state, ids, before)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_can_be_told_and_found_again() {
        for cursor in ["", "0 17 3", "400", "0mwqnd2k1003"] {
            let place = Place { stop: 2, cursor: cursor.into(), skip: 5, looked: 1_005 };
            assert_eq!(Place::read(&place.to_string()), Some(place));
        }
        for wrong in ["", "1", "1.2.3", "1.2.3.a'b", "x.0.0."] {
            assert_eq!(Place::read(wrong), None, "{wrong}");
        }
    }
}
