//! A schedule in Redis: its definition, and what became of it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{CatchUp, Schedule, catch_up::Pending};
use crate::{JobId, new_job::from_millis};

/// What `lua/schedule.lua` writes. All times are by Redis' clock, in milliseconds since 1970.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Stored")]
pub(crate) struct Entry {
    /// As it is in force.
    pub(crate) definition: Schedule,
    /// The times that it would have if nobody had given it others.
    defined: Option<Times>,
    /// When the definition was changed, which is also its version.
    pub(crate) changed: i64,
    /// Ticks up to then are not fired: it was not there, had other times, or was paused.
    since: i64,
    /// The last tick that was fired; 0 if none was.
    last: i64,
    paused: bool,
    /// It was in the code of its application, and is no more.
    left: bool,
    /// The application whose code it is in; empty if it was added at run time.
    code: String,
    jobs: Vec<MadeJob>,
}

/// The same as it lies there.
#[derive(Deserialize)]
struct Stored {
    /// A text, so that what is in it comes back from Lua as it was.
    definition: String,
    edited: Option<Times>,
    changed: i64,
    since: i64,
    last: i64,
    paused: bool,
    left: bool,
    code: String,
    #[serde(default)]
    jobs: Vec<MadeJob>,
}

/// When a schedule fires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// A cron expression.
    pub cron: String,
    /// The time zone whose clock it is about, by IANA name.
    pub zone: String,
}

/// A job that a schedule made.
#[derive(Debug, Clone, Deserialize)]
struct MadeJob {
    id: String,
    of: i64,
    at: i64,
}

/// A job that a schedule made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScheduledJob {
    /// What its queue calls it.
    pub key: JobId,
    /// When it was made.
    pub at: DateTime<Utc>,
    /// The tick that it was made for; `None`: somebody ran it by hand.
    pub tick: Option<DateTime<Utc>>,
}

/// A schedule that was removed, as it was: [`Schedules::restore`](super::Schedules::restore) puts it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RemovedSchedule(pub(super) String);

/// A schedule, and how things stand with it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ScheduleState {
    /// When and what.
    pub schedule: Schedule,
    /// The last tick that was fired.
    pub last: Option<DateTime<Utc>>,
    /// When the next one fires, jitter included; `None` while it is paused, and if none is left.
    pub next: Option<DateTime<Utc>>,
    /// Somebody paused it.
    pub paused: bool,
    /// The application whose code declares it; `None` if it was added at run time.
    pub application: Option<String>,
    /// It has left that code since, and does not fire.
    pub left: bool,
    /// The times that its definition has, if an operator gave it others.
    pub defined: Option<Times>,
    /// A tick that should have been fired already: nobody is there to fire it, or not yet.
    pub overdue: Option<DateTime<Utc>>,
    /// The jobs that it made last, the newest first; five at most.
    pub jobs: Vec<ScheduledJob>,
}

impl Entry {
    pub(crate) fn read(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    pub(crate) fn pending(&self, now: DateTime<Utc>) -> Pending {
        if self.paused || self.left {
            return Pending::default();
        }
        self.definition.pending(self.done_until(), now)
    }

    /// Ticks up to then are done with.
    fn done_until(&self) -> DateTime<Utc> {
        from_millis(self.since.max(self.last))
    }

    /// The first tick that should have been fired by now.
    fn overdue(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.paused || self.left {
            return None;
        }
        let first = match self.definition.policy() {
            // What is missed is not made up for, and nobody's fault any more.
            CatchUp::Skip => self.pending(now).ticks.first().copied(),
            CatchUp::One | CatchUp::All => {
                self.definition.next_after(self.done_until()).map(|at| self.definition.tick(at))
            }
        };
        first.map(|tick| tick.due).filter(|due| *due <= now)
    }

    pub(crate) fn has_left(&self) -> bool {
        self.left
    }

    pub(crate) fn state(self, now: DateTime<Utc>) -> ScheduleState {
        let next = self.pending(now).next.map(|tick| tick.due);
        let jobs = self.jobs.iter().filter_map(|MadeJob { id, of, at }| {
            let tick = (*of > 0).then(|| from_millis(*of));
            Some(ScheduledJob { key: id.parse().ok()?, at: from_millis(*at), tick })
        });
        ScheduleState {
            next,
            overdue: self.overdue(now),
            jobs: jobs.collect(),
            defined: self.defined,
            last: (self.last > 0).then(|| from_millis(self.last)),
            paused: self.paused,
            application: Some(self.code).filter(|code| !code.is_empty()),
            left: self.left,
            schedule: self.definition,
        }
    }
}

impl TryFrom<Stored> for Entry {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, String> {
        let definition: Schedule = serde_json::from_str(&stored.definition).map_err(|error| error.to_string())?;
        let (definition, defined) = match stored.edited {
            None => (definition, None),
            Some(times) => {
                let defined = definition.times();
                (definition.at(&times).map_err(|error| error.to_string())?, Some(defined))
            }
        };
        let Stored { changed, since, last, paused, left, code, jobs, .. } = stored;
        Ok(Self { definition, defined, changed, since, last, paused, left, code, jobs })
    }
}
