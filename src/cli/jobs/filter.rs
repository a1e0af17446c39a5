//! Which jobs a command is about, where they are not named one by one.

use std::{collections::HashSet, str::FromStr};

use millgate_jobs::{JobId, JobState, Queue, QueueError};

/// Ids in one step.
const STEP: usize = 200;

#[derive(clap::Args, Clone, Default)]
pub(super) struct Filter {
    /// Of this queue; of all if none is named
    #[arg(long, value_name = "QUEUE")]
    pub(super) queue: Option<String>,
    /// In this state: waiting, delayed, held, active, dead or done
    #[arg(long)]
    pub(super) state: Option<JobState>,
    /// Of this kind
    #[arg(long)]
    kind: Option<String>,
    /// Indexed under this; every job with an id of its own is under `id=…`
    #[arg(long = "where", value_name = "FIELD=VALUE")]
    term: Option<Term>,
}

/// What jobs are indexed under.
#[derive(Clone)]
struct Term {
    field: String,
    value: String,
}

impl FromStr for Term {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (field, value) = text.split_once('=').ok_or_else(|| format!("`{text}` is no FIELD=VALUE: order_id=17"))?;
        Ok(Self { field: field.to_owned(), value: value.to_owned() })
    }
}

impl Filter {
    /// Whether it lets every job through.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_none() && !self.chooses_jobs()
    }

    /// Whether it says more than the queue.
    pub(super) fn chooses_jobs(&self) -> bool {
        self.state.is_some() || self.kind.is_some() || self.term.is_some()
    }

    /// Ids of up to `most` jobs of a queue that it lets through and that are in one of these states, in steps that do
    /// not hold Redis up.
    pub(super) async fn ids(&self, queue: &Queue, states: &[JobState], most: usize) -> Result<Vec<JobId>, QueueError> {
        let states: Vec<JobState> =
            states.iter().copied().filter(|state| self.state.is_none_or(|s| s == *state)).collect();
        match &self.term {
            Some(term) => self.indexed(queue, term, &states, most).await,
            None => self.paged(queue, &states, most).await,
        }
    }

    async fn paged(&self, queue: &Queue, states: &[JobState], most: usize) -> Result<Vec<JobId>, QueueError> {
        // A job that moves meanwhile may come twice.
        let (mut seen, mut ids) = (HashSet::new(), Vec::new());
        for state in states {
            let mut from = None;
            loop {
                let step = STEP.min(most - ids.len());
                if step == 0 {
                    return Ok(ids);
                }
                let page = queue.page(*state, from.as_deref(), step, self.kind.as_deref()).await?;
                ids.extend(page.ids.into_iter().filter(|id| seen.insert(*id)));
                ids.truncate(most);
                from = page.next;
                if from.is_none() {
                    break;
                }
            }
        }
        Ok(ids)
    }

    async fn indexed(
        &self,
        queue: &Queue,
        term: &Term,
        states: &[JobState],
        most: usize,
    ) -> Result<Vec<JobId>, QueueError> {
        let (mut ids, mut after) = (Vec::new(), None);
        loop {
            let found = queue.find(&term.field, &term.value, after, STEP).await?;
            after = found.last().copied();
            for job in queue.look(&found).await? {
                if states.contains(&job.state) && self.kind.as_ref().is_none_or(|kind| *kind == job.kind) {
                    ids.push(job.key);
                }
            }
            if found.len() < STEP || ids.len() >= most {
                ids.truncate(most);
                return Ok(ids);
            }
        }
    }
}
