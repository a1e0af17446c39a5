//! Which jobs are meant, where they are not named one by one.

use std::fmt;

use chrono::{DateTime, Utc};
use millgate_jobs::{Between, JobId, JobState, JobView};
use serde::{Deserialize, Serialize};

use super::{Term, moment};
use crate::access::Mask;

/// Which jobs are meant. What is not said lets every job through.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JobFilter {
    /// Of this queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// In this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<JobState>,
    /// Of this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Found by this.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    pub term: Option<Term>,
    /// Not before this: delayed jobs by when they run, those that are done by when they were, others by when they were
    /// enqueued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// Not after this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

/// The same as somebody types it into a form or an address: an empty text says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobQuery {
    /// A queue.
    pub queue: String,
    /// A state.
    pub state: String,
    /// A kind.
    pub kind: String,
    /// `FIELD=VALUE`.
    #[serde(rename = "where")]
    pub term: String,
    /// A time, or how long ago.
    pub since: String,
    /// A time, or how long ago.
    pub until: String,
}

impl JobQuery {
    /// The same for who is not shown everything: what is hidden must not be found out by looking for it.
    pub(crate) fn read_masked(&self, now: DateTime<Utc>, mask: &Mask) -> Result<JobFilter, String> {
        let filter = self.read(now)?;
        filter.hidden(mask).map_or(Ok(filter), Err)
    }

    /// What is meant, or why nothing can be.
    pub fn read(&self, now: DateTime<Utc>) -> Result<JobFilter, String> {
        fn said(text: &str) -> Option<&str> {
            Some(text.trim()).filter(|text| !text.is_empty())
        }
        Ok(JobFilter {
            queue: said(&self.queue).map(str::to_owned),
            state: said(&self.state).map(str::parse).transpose()?,
            kind: said(&self.kind).map(str::to_owned),
            term: said(&self.term).map(str::parse).transpose()?,
            since: said(&self.since).map(|text| moment::read(text, now)).transpose()?,
            until: said(&self.until).map(|text| moment::read(text, now)).transpose()?,
        })
    }
}

impl JobFilter {
    /// Why jobs are not found by this, where it is a field that nobody is shown.
    pub(crate) fn hidden(&self, mask: &Mask) -> Option<String> {
        let name = self.term.as_ref()?.name();
        let hides = mask.hides(self.kind.as_deref(), name);
        hides.then(|| {
            format!("nobody is shown the field `{name}` (docs/access.md), so jobs are not found by it here either")
        })
    }

    /// Whether it says more than the queue.
    pub fn chooses_jobs(&self) -> bool {
        let Self { queue: _, state, kind, term, since, until } = self;
        state.is_some() || kind.is_some() || term.is_some() || since.is_some() || until.is_some()
    }

    /// Whether it says no more than the queue and the state: then it is known how many there are.
    pub(super) fn is_counted(&self) -> bool {
        let Self { queue: _, state: _, kind, term, since, until } = self;
        kind.is_none() && term.is_none() && since.is_none() && until.is_none()
    }

    /// Those of `states` that it lets through.
    pub(super) fn states(&self, states: &[JobState]) -> Vec<JobState> {
        states.iter().copied().filter(|state| self.state.is_none_or(|wanted| wanted == *state)).collect()
    }

    pub(super) fn span(&self) -> Between {
        Between { since: self.since, until: self.until }
    }

    /// Whether a job of that id, in that state, may be one.
    pub(super) fn may_be(&self, id: JobId, state: JobState) -> bool {
        // Redis has looked at the times of those.
        matches!(state, JobState::Delayed | JobState::Done) || self.is_within(id.enqueued_at())
    }

    fn is_within(&self, time: DateTime<Utc>) -> bool {
        self.since.is_none_or(|since| since <= time) && self.until.is_none_or(|until| time <= until)
    }

    /// Whether a job is one.
    pub(super) fn fits(&self, job: &JobView) -> bool {
        let time = match job.state {
            JobState::Delayed | JobState::Done => job.at.unwrap_or(job.enqueued_at),
            _ => job.enqueued_at,
        };
        self.state.is_none_or(|state| state == job.state)
            && self.kind.as_ref().is_none_or(|kind| *kind == job.kind)
            && self.is_within(time)
            && self.term.as_ref().is_none_or(|term| term.is_in(&job.payload))
    }
}

/// As part of a sentence: `dead jobs of kind send-mail with order_id=17`.
impl fmt::Display for JobFilter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.state {
            Some(state) => write!(out, "{state} jobs")?,
            None => write!(out, "jobs")?,
        }
        if let Some(kind) = &self.kind {
            write!(out, " of kind {kind}")?;
        }
        if let Some(term) = &self.term {
            write!(out, " with {term}")?;
        }
        if let Some(since) = self.since {
            write!(out, " since {}", moment::point(since))?;
        }
        if let Some(until) = self.until {
            write!(out, " until {}", moment::point(until))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_becomes_a_filter_and_a_sentence() {
        let now = DateTime::from_timestamp(7_200, 0).unwrap();
        let query = JobQuery { state: "dead".into(), kind: " mail ".into(), since: "1h".into(), ..JobQuery::default() };
        let filter = query.read(now).unwrap();
        assert_eq!(filter.to_string(), "dead jobs of kind mail since 1970-01-01T01:00:00Z");
        assert!(filter.chooses_jobs() && !filter.is_counted());
        assert_eq!(JobQuery::default().read(now).unwrap(), JobFilter::default());
        let wrong = JobQuery { state: "asleep".into(), ..JobQuery::default() };
        assert!(wrong.read(now).unwrap_err().contains("`asleep` is no state"));
    }

    #[test]
    fn a_filter_comes_back_from_json() {
        let text = r#"{"state":"dead","where":"payload.to=ann"}"#;
        let filter: JobFilter = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&filter).unwrap(), text);
        assert!(serde_json::from_str::<JobFilter>(r#"{"sate":"dead"}"#).is_err());
    }
}
