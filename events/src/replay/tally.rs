//! What a replay has counted.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Chosen;

/// So many records that could not be read are told one by one.
const EXAMPLES: usize = 10;

/// What was looked at, what was wanted, and what became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// Records that were looked at.
    pub looked_at: u64,
    /// Those that were wanted, and given to the destination.
    pub selected: u64,
    /// Those of them without a value: a key that was deleted.
    pub tombstones: u64,
    /// Records that were skipped since they are no events.
    pub unreadable: u64,
    /// Offsets that Kafka had deleted.
    pub expired: u64,
    /// Records that were read again, since the destination had lost what it had of them.
    pub read_again: u64,
    /// What was wanted, by topic and type.
    pub topics: BTreeMap<String, BTreeMap<String, TypeTally>>,
    /// What the destination counts: `jobs of welcome-email`.
    pub figures: BTreeMap<String, u64>,
    /// Some of what could not be read, with the reason.
    pub examples: Vec<String>,
}

/// Events of one type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeTally {
    /// How many.
    pub events: u64,
    /// The time of the first one.
    pub first: Option<DateTime<Utc>>,
    /// The time of the last one.
    pub last: Option<DateTime<Utc>>,
}

impl Tally {
    /// Counts one that is given to the destination. `topic`: without the prefix.
    pub(super) fn select(&mut self, chosen: &Chosen, topic: &str) {
        self.selected += 1;
        let Some(meta) = &chosen.meta else { return self.tombstones += 1 };
        let types = match self.topics.get_mut(topic) {
            Some(types) => types,
            None => self.topics.entry(topic.to_owned()).or_default(),
        };
        let tally = match types.get_mut(&meta.event_type) {
            Some(tally) => tally,
            None => types.entry(meta.event_type.clone()).or_default(),
        };
        tally.events += 1;
        tally.first = Some(tally.first.map_or(meta.time, |first| first.min(meta.time)));
        tally.last = tally.last.max(Some(meta.time));
    }

    /// Counts something of the destination's.
    pub fn count(&mut self, what: &str, many: u64) {
        if many == 0 {
            return;
        }
        match self.figures.get_mut(what) {
            Some(count) => *count += many,
            None => drop(self.figures.insert(what.to_owned(), many)),
        }
    }

    /// Counts a record that is skipped.
    pub fn skip(&mut self, place: &str, reason: &str) {
        self.unreadable += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(format!("{place}: {reason}"));
        }
    }

    /// Adds what was counted of a part.
    pub(super) fn add(&mut self, other: Self) {
        self.looked_at += other.looked_at;
        self.selected += other.selected;
        self.tombstones += other.tombstones;
        self.unreadable += other.unreadable;
        self.expired += other.expired;
        self.read_again += other.read_again;
        for (topic, types) in other.topics {
            let ours = self.topics.entry(topic).or_default();
            for (event_type, tally) in types {
                let our = ours.entry(event_type).or_default();
                our.events += tally.events;
                our.first = our.first.into_iter().chain(tally.first).min();
                our.last = our.last.max(tally.last);
            }
        }
        for (what, many) in other.figures {
            *self.figures.entry(what).or_default() += many;
        }
        let room = EXAMPLES.saturating_sub(self.examples.len());
        self.examples.extend(other.examples.into_iter().take(room));
    }
}
