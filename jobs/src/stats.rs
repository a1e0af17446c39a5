//! Counts of a queue.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::{Limits, new_job::from_millis};

/// What happened to the jobs of one kind since the queue began.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct KindCounts {
    /// Entered the queue.
    pub enqueued: u64,
    /// Not taken in: the same id was there before.
    pub duplicate: u64,
    /// Not taken in: their unique key was held.
    pub held: u64,
    /// Ran to the end.
    pub done: u64,
    /// Cancelled.
    pub cancelled: u64,
    /// Died.
    pub dead: u64,
    /// Taken back from the dead, to run again.
    pub redriven: u64,
    /// Dead, and removed by the queue's policy.
    pub pruned: u64,
    /// Failed runs that were followed by another.
    pub retried: u64,
    /// Runs put off without spending an attempt.
    pub snoozed: u64,
    /// Taken from a worker that died.
    pub rescued: u64,
    /// Given back by a worker that was stopping, or did not know them.
    pub handed_back: u64,
    /// Results that came after the lease was lost, and changed nothing.
    pub late: u64,
}

impl KindCounts {
    /// Jobs that are neither done nor cancelled nor dead.
    pub fn unfinished(&self) -> u64 {
        (self.enqueued + self.redriven).saturating_sub(self.done + self.cancelled + self.dead)
    }
}

/// Counts of a queue: by kind what happened, and what is there now.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct QueueStats {
    /// What happened, by kind.
    pub kinds: BTreeMap<String, KindCounts>,
    /// Jobs that may run now.
    pub waiting: u64,
    /// Jobs that may run later.
    pub delayed: u64,
    /// Jobs that a worker has a lease on.
    pub active: u64,
    /// Dead jobs that are not safe on the dead-letter topic yet.
    pub unburied: u64,
    /// Jobs that wait for others of their lane.
    pub held: u64,
    /// Done jobs that are kept to be looked at.
    pub kept: u64,
    /// When the job was enqueued that has waited longest for a worker.
    pub oldest: Option<DateTime<Utc>>,
    /// Workers take no jobs from it.
    pub paused: bool,
    /// It takes no more jobs.
    pub draining: bool,
    /// Its limits.
    pub limits: Limits,
}

/// What the script gives: counts, settings, delayed, dead, held, done, oldest, told to stop, of tenants.
type Answer = (Vec<(String, i64)>, Vec<(String, String)>, u64, u64, u64, u64, i64, u64, u64);

impl QueueStats {
    pub(crate) fn read(answer: Answer) -> Self {
        let (counts, settings, delayed, dead, held, kept, oldest, _, _) = answer;
        let oldest = (oldest >= 0).then(|| from_millis(oldest));
        let mut stats = Self { delayed, unburied: dead, held, kept, oldest, ..Self::default() };
        for (setting, value) in settings {
            match setting.as_str() {
                "paused" => stats.paused = true,
                "draining" => stats.draining = true,
                _ => stats.limits.read(&setting, &value),
            }
        }
        for (field, value) in counts {
            let value = u64::try_from(value).unwrap_or_default();
            let Some((what, kind)) = field.split_once(':') else {
                match field.as_str() {
                    "waiting" => stats.waiting = value,
                    "active" => stats.active = value,
                    _ => {}
                }
                continue;
            };
            let kind = stats.kinds.entry(kind.to_owned()).or_default();
            match what {
                "enqueued" => kind.enqueued = value,
                "duplicate" => kind.duplicate = value,
                "held" => kind.held = value,
                "done" => kind.done = value,
                "cancelled" => kind.cancelled = value,
                "dead" => kind.dead = value,
                "redriven" => kind.redriven = value,
                "pruned" => kind.pruned = value,
                "retried" => kind.retried = value,
                "snoozed" => kind.snoozed = value,
                "rescued" => kind.rescued = value,
                "handed_back" => kind.handed_back = value,
                "late" => kind.late = value,
                _ => {}
            }
        }
        stats
    }

    /// Jobs that entered.
    pub fn enqueued(&self) -> u64 {
        self.kinds.values().map(|kind| kind.enqueued).sum()
    }

    /// Jobs that ran to the end.
    pub fn done(&self) -> u64 {
        self.kinds.values().map(|kind| kind.done).sum()
    }

    /// Jobs that were cancelled.
    pub fn cancelled(&self) -> u64 {
        self.kinds.values().map(|kind| kind.cancelled).sum()
    }

    /// Jobs that died, and did not come back.
    pub fn dead(&self) -> u64 {
        self.kinds.values().map(|kind| kind.dead - kind.redriven.min(kind.dead)).sum()
    }

    /// Whether every job that entered is done, cancelled, dead, or still there.
    pub fn adds_up(&self) -> bool {
        let here = self.waiting + self.delayed + self.active + self.held;
        self.enqueued() == self.done() + self.cancelled() + self.dead() + here
    }
}
