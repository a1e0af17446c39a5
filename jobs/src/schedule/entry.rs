//! A schedule in Redis: its definition, and what became of it.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::{Schedule, catch_up::Pending};
use crate::new_job::from_millis;

/// What `lua/schedule.lua` writes. All times are by Redis' clock, in milliseconds since 1970.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Entry {
    /// A text, so that what is in it comes back from Lua as it was.
    #[serde(deserialize_with = "definition")]
    pub(crate) definition: Schedule,
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
}

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
}

impl Entry {
    pub(crate) fn read(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    pub(crate) fn pending(&self, now: DateTime<Utc>) -> Pending {
        if self.paused || self.left {
            return Pending::default();
        }
        self.definition.pending(from_millis(self.since.max(self.last)), now)
    }

    pub(crate) fn has_left(&self) -> bool {
        self.left
    }

    pub(crate) fn state(self, now: DateTime<Utc>) -> ScheduleState {
        let next = self.pending(now).next.map(|tick| tick.due);
        ScheduleState {
            next,
            last: (self.last > 0).then(|| from_millis(self.last)),
            paused: self.paused,
            application: Some(self.code).filter(|code| !code.is_empty()),
            left: self.left,
            schedule: self.definition,
        }
    }
}

fn definition<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Schedule, D::Error> {
    let text = String::deserialize(deserializer)?;
    serde_json::from_str(&text).map_err(serde::de::Error::custom)
}
