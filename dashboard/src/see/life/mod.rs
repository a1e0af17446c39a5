//! An event's whole life: where it was published, what it came to, every attempt, and what it led to.

mod event;
mod gather;
mod job;
mod moment;
mod search;

use chrono::{DateTime, Utc};
use millgate_events::{Gap, PastAction, StoredLetter, Wanted};
use serde::Serialize;

use super::record::{Mask, unmasked};
use crate::Site;

pub use event::{EventLife, HandedOff, RoutedBy};
pub use job::{AttemptLife, JobLife, JobNow, Outcome};
pub use moment::{Link, Moment, Severity, What};

/// How to look.
pub struct Look<'a> {
    /// For what is in no index: events on Kafka that are no older.
    pub since: Option<DateTime<Utc>>,
    /// Whether Kafka is searched for what is noted nowhere, which may take seconds.
    pub on_kafka: bool,
    /// What may be shown of payloads and arguments.
    pub mask: Mask<'a>,
    /// Now, by whoever asks.
    pub now: DateTime<Utc>,
}

impl Look<'_> {
    /// Shows everything, and finds what can be found without being told a time.
    pub fn at(now: DateTime<Utc>) -> Self {
        Self { since: None, on_kafka: true, mask: &unmasked, now }
    }
}

/// A dead letter of the story.
#[derive(Debug, Clone, Serialize)]
pub struct LetterLife {
    /// The letter, without its payload.
    #[serde(flatten)]
    pub letter: StoredLetter,
    /// What was done about it, in order.
    pub actions: Vec<PastAction>,
}

/// Everything that is known of one story, or of several of one key.
#[derive(Debug, Clone, Serialize)]
pub struct Life {
    /// What was asked.
    pub wanted: Wanted,
    /// Where it was looked for, in words, and how far.
    pub searched: Vec<String>,
    /// What could not be asked, and what to do about it: the rest is there all the same.
    pub problems: Vec<String>,
    /// Its events, in the order in which they happened.
    pub events: Vec<EventLife>,
    /// Its jobs, in the order in which they came or ran first.
    pub jobs: Vec<JobLife>,
    /// Its dead letters.
    pub letters: Vec<LetterLife>,
    /// Notes that are missing from its time on.
    pub gaps: Vec<Gap>,
    /// All of it in order.
    pub timeline: Vec<Moment>,
    /// When it was looked at.
    pub now: DateTime<Utc>,
}

impl Life {
    /// Looks everywhere: in the trail, among dead letters, in Redis, and on Kafka.
    pub async fn find(site: &Site, wanted: Wanted, look: &Look<'_>) -> Self {
        gather::life(site, wanted, look).await
    }

    /// Whether anything is known.
    pub fn is_known(&self) -> bool {
        !(self.events.is_empty() && self.jobs.is_empty() && self.letters.is_empty())
    }
}
