//! Jobs in memory: what the queue's scripts do, as far as one can tell while jobs run one at a time.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use millgate_jobs::{Cancel, Claimed, Conflict, Hold, Job, NewJob, Verdict};

use super::job::{EnqueuedJob, read};

/// One step of priority is worth so much age.
const AGEING: Duration = Duration::from_mins(1);
/// For how long an id of its own is remembered.
const DEDUPE_WINDOW: Duration = Duration::from_hours(24);

pub(super) struct InMemory(Mutex<Queues>);

/// A unique key: of a kind, and within it.
type Key = (String, String);

struct Queues {
    now: DateTime<Utc>,
    number: u64,
    jobs: Vec<Entry>,
    /// Until when ids are remembered.
    seen: HashMap<String, DateTime<Utc>>,
    /// Until when keys are held for a window.
    windows: HashMap<Key, DateTime<Utc>>,
    /// Up to when what jobs are about is cancelled.
    cancelled: HashMap<Key, DateTime<Utc>>,
}

/// A job that has not come to its end.
pub(super) struct Entry {
    number: u64,
    new: NewJob,
    enqueued_at: DateTime<Utc>,
    at: DateTime<Utc>,
    attempts: u32,
}

impl Entry {
    fn id(&self) -> String {
        self.new.id.clone().unwrap_or_else(|| format!("job-{}", self.number))
    }

    fn key(&self) -> Option<Key> {
        key_of(&self.new)
    }
}

fn key_of(job: &NewJob) -> Option<Key> {
    Some((job.kind.clone(), job.unique()?.to_owned()))
}

impl InMemory {
    #[expect(clippy::disallowed_methods, reason = "what else may look at a clock should see about the same time")]
    pub(super) fn new() -> Self {
        Self(Mutex::new(Queues {
            now: Utc::now(),
            number: 0,
            jobs: Vec::new(),
            seen: HashMap::new(),
            windows: HashMap::new(),
            cancelled: HashMap::new(),
        }))
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.queues().now
    }

    pub(super) fn pass(&self, time: Duration) {
        self.queues().now += time;
    }

    pub(super) fn enqueue(&self, job: NewJob) {
        let mut queues = self.queues();
        if queues.is_duplicate(&job) || !queues.takes_key(&job) {
            return;
        }
        queues.number += 1;
        let (number, now) = (queues.number, queues.now);
        let delayed = || job.options().delay.map(|delay| now + delay);
        let at = job.run_at().or_else(delayed).unwrap_or(now);
        queues.jobs.push(Entry { number, new: job, enqueued_at: now, at, attempts: 0 });
    }

    pub(super) fn cancel(&self, cancel: &Cancel) {
        let mut queues = self.queues();
        let up_to = queues.cancelled.entry((cancel.kind.clone(), cancel.unique.clone())).or_insert(cancel.time);
        *up_to = cancel.time.max(*up_to);
        let Queues { jobs, cancelled, .. } = &mut *queues;
        jobs.retain(|job| !is_cancelled(cancelled, &job.new));
    }

    /// The job that is next, if one is due.
    pub(super) fn take(&self) -> Option<(Entry, Claimed)> {
        let mut queues = self.queues();
        let due = queues.jobs.iter().enumerate().filter(|(_, job)| job.at <= queues.now);
        let turn = |job: &Entry| (job.enqueued_at + AGEING * u32::from(job.new.priority), job.new.priority, job.number);
        let (place, _) = due.min_by_key(|(_, job)| turn(job))?;
        let job = queues.jobs.remove(place);
        let claimed = Claimed::for_test(&job.new, &job.id(), job.attempts + 1, job.enqueued_at);
        Some((job, claimed))
    }

    pub(super) fn settle(&self, mut job: Entry, verdict: &Verdict) {
        let mut queues = self.queues();
        let after = match verdict {
            Verdict::Retry { after, .. } => {
                job.attempts += 1;
                *after
            }
            Verdict::Snooze { after } | Verdict::HandBack { after } => *after,
            Verdict::Done | Verdict::Cancel { .. } | Verdict::Dead { .. } => return,
        };
        job.at = queues.now + after;
        if !is_cancelled(&queues.cancelled, &job.new) {
            queues.jobs.push(job);
        }
    }

    pub(super) fn all<J: Job>(&self) -> Vec<EnqueuedJob<J>> {
        let queues = self.queues();
        let mut jobs: Vec<&Entry> = queues.jobs.iter().filter(|job| job.new.kind == J::KIND).collect();
        jobs.sort_by_key(|job| job.number);
        let enqueued = jobs.into_iter().map(|job| EnqueuedJob {
            args: read(job.new.payload()),
            id: job.id(),
            priority: job.new.priority,
            run_at: Some(job.at).filter(|at| *at > queues.now),
            unique: job.new.unique().map(str::to_owned),
            attempts: job.attempts,
        });
        enqueued.collect()
    }
}

fn is_cancelled(cancelled: &HashMap<Key, DateTime<Utc>>, job: &NewJob) -> bool {
    let up_to = key_of(job).and_then(|key| cancelled.get(&key));
    up_to.is_some_and(|up_to| job.time.is_none_or(|time| time <= *up_to))
}

impl Queues {
    /// Whether a job of that id was there before. Remembers it.
    fn is_duplicate(&mut self, job: &NewJob) -> bool {
        let once = job.options().once.clone().or_else(|| Some((job.id.clone()?, DEDUPE_WINDOW)));
        let Some((id, window)) = once else { return false };
        let here = self.jobs.iter().any(|other| other.new.id.as_ref() == Some(&id));
        let seen = self.seen.get(&id).is_some_and(|till| *till > self.now);
        if !here && !seen {
            self.seen.insert(id, self.now + window);
        }
        here || seen
    }

    /// Whether a job gets its unique key, if it has one. Another may have to make room.
    fn takes_key(&mut self, job: &NewJob) -> bool {
        let Some((unique, key)) = job.options().unique.as_ref().zip(key_of(job)) else { return true };
        if is_cancelled(&self.cancelled, job) {
            return false;
        }
        let held = self.windows.get(&key).is_some_and(|till| *till > self.now);
        let holds = |other: &NewJob| {
            let unique = other.options().unique.as_ref();
            held || unique.is_some_and(|unique| !matches!(unique.hold, Hold::For(_)))
        };
        let holder = self.jobs.iter().position(|other| other.key().as_ref() == Some(&key) && holds(&other.new));
        match (holder, unique.conflict) {
            (Some(holder), Conflict::Replace) => drop(self.jobs.remove(holder)),
            (None, _) if !held => {}
            _ => return false,
        }
        if let Hold::For(window) = unique.hold {
            self.windows.insert(key, self.now + window);
        }
        true
    }
}
