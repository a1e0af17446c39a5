//! Jobs at random.

use std::time::Duration;

use chrono::DateTime;
use millgate_jobs::{Conflict, Hold, Job, JobOptions, NewJob, Unique};
use rand::{RngExt, rngs::SmallRng};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub(crate) struct Work {
    pub(crate) n: usize,
}

impl Job for Work {
    const KIND: &'static str = "work";
    const QUEUE: &'static str = "main";
}

/// Another kind in the same queue.
#[derive(Serialize, Deserialize)]
pub(crate) struct Play {
    pub(crate) n: usize,
}

impl Job for Play {
    const KIND: &'static str = "play";
    const QUEUE: &'static str = "main";
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum LaneKind {
    Ordered,
    Limited(u32),
    /// Milliseconds between starts.
    Spaced(i64),
}

/// All that is said of a job.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    pub(crate) plays: bool,
    pub(crate) priority: u8,
    /// Milliseconds after its event, or after it is enqueued.
    pub(crate) delay: Option<i64>,
    pub(crate) run_at: Option<i64>,
    /// When its event happened.
    pub(crate) time: Option<i64>,
    pub(crate) unique: Option<Unique>,
    pub(crate) lane: Option<(LaneKind, u8)>,
    pub(crate) tenant: Option<(u8, u32)>,
    pub(crate) id: Option<String>,
    pub(crate) once: Option<(String, i64)>,
    pub(crate) tag: Option<u8>,
    pub(crate) attempts: u32,
}

/// Lanes from here on are those of unique keys.
const OF_KEY: u8 = 100;

fn ms(millis: i64) -> Duration {
    Duration::from_millis(millis.unsigned_abs())
}

impl Spec {
    pub(crate) fn plain(random: &mut SmallRng) -> Self {
        let attempts = if random.random_bool(0.8) { 4 } else { random.random_range(1..=3) };
        let priority = if random.random_bool(0.7) { 5 } else { random.random_range(0..=9) };
        Self {
            plays: random.random_bool(0.3),
            priority,
            delay: None,
            run_at: None,
            time: None,
            unique: None,
            lane: None,
            tenant: None,
            id: None,
            once: None,
            tag: None,
            attempts,
        }
    }

    /// With any options, at a moment in milliseconds since 1970.
    pub(crate) fn any(random: &mut SmallRng, now: i64) -> Self {
        let mut spec = Self::plain(random);
        if random.random_bool(0.3) {
            spec.time = Some(now - random.random_range(0..60_000));
        }
        if random.random_bool(0.2) {
            spec.delay = Some(random.random_range(1..90_000));
        } else if random.random_bool(0.1) {
            spec.run_at = Some(now + random.random_range(-1_000..90_000));
        }
        if random.random_bool(0.35) {
            let hold = match random.random_range(0..3) {
                0 => Hold::UntilDone,
                1 => Hold::UntilStarted,
                _ => Hold::For(ms(random.random_range(1_000..120_000))),
            };
            let conflict = if random.random_bool(0.5) { Conflict::KeepFirst } else { Conflict::Replace };
            spec.unique = Some(Unique { key: random.random_range(0..6).to_string(), hold, conflict });
        }
        if random.random_bool(0.35) {
            let key = random.random_range(0..3);
            let kind = match random.random_range(0..3) {
                0 => LaneKind::Ordered,
                1 => LaneKind::Limited(2),
                _ => LaneKind::Spaced(2_000),
            };
            spec.lane = Some((kind, key));
        } else if let Some(Unique { key, hold: Hold::UntilDone | Hold::For(_), conflict: Conflict::Replace }) =
            &spec.unique
        {
            // Those that replace each other come after each other, also where one could not be replaced any more.
            spec.lane = Some((LaneKind::Ordered, OF_KEY + 2 * key.parse::<u8>().unwrap() + u8::from(spec.plays)));
        }
        if random.random_bool(0.2) {
            spec.tenant = Some((random.random_range(0..3), random.random_range(1..=4)));
        }
        if random.random_bool(0.2) {
            spec.id = Some(format!("id-{}", random.random_range(0..40)));
        }
        if random.random_bool(0.1) {
            spec.once = Some((format!("once-{}", random.random_range(0..10)), random.random_range(1_000..60_000)));
        }
        if random.random_bool(0.2) {
            spec.tag = Some(random.random_range(0..5));
        }
        spec
    }

    pub(crate) fn without_key(mut self) -> Self {
        self.lane = self.lane.filter(|(_, key)| *key < OF_KEY);
        Self { unique: None, ..self }
    }

    pub(crate) fn kind(&self) -> &'static str {
        if self.plays { Play::KIND } else { Work::KIND }
    }

    /// Its unique key, within its kind.
    pub(crate) fn key(&self) -> Option<(&'static str, String)> {
        Some((self.kind(), self.unique.as_ref()?.key.clone()))
    }

    /// Its unique key, if it takes the place of who has that.
    pub(crate) fn replaces(&self) -> Option<(&'static str, String)> {
        self.key().filter(|_| self.unique.as_ref().is_some_and(|unique| unique.conflict == Conflict::Replace))
    }

    /// The job, of that number.
    pub(crate) fn job(&self, n: usize) -> NewJob {
        let mut options = JobOptions::default().priority(self.priority).max_attempts(self.attempts);
        if let Some(delay) = self.delay {
            options = options.delay(ms(delay));
        }
        if let Some(at) = self.run_at {
            options = options.run_at(DateTime::from_timestamp_millis(at).unwrap());
        }
        if let Some(unique) = &self.unique {
            options = options.unique_by(unique.clone());
        }
        if let Some((kind, key)) = self.lane.filter(|(_, key)| *key < OF_KEY) {
            options = match kind {
                LaneKind::Ordered => options.ordered_by(format!("ordered {key}")),
                LaneKind::Limited(most) => options.at_most(most, format!("limited {key}")),
                LaneKind::Spaced(interval) => options.spaced(ms(interval), format!("spaced {key}")),
            };
        }
        if let Some((tenant, weight)) = self.tenant {
            options = options.tenant(format!("tenant {tenant}"), weight);
        }
        if let Some((key, window)) = &self.once {
            options = options.once(key, ms(*window));
        }
        if let Some(tag) = self.tag {
            options = options.index("tag", tag);
        }
        let time = self.time.map(|time| DateTime::from_timestamp_millis(time).unwrap());
        let job = match (self.plays, time) {
            (true, Some(time)) => NewJob::new(&Play { n }, options, time),
            (true, None) => NewJob::of(&Play { n }, options),
            (false, Some(time)) => NewJob::new(&Work { n }, options, time),
            (false, None) => NewJob::of(&Work { n }, options),
        };
        let job = job.unwrap();
        match &self.id {
            Some(id) => job.with_id(id),
            None => job,
        }
    }
}
