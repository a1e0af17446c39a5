//! Fires what is due.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    Schedule, ScheduleError, Schedules,
    catch_up::{MOST, Pending},
    entry::Entry,
    schedules::Stored,
};
use crate::{Backoff, Queue};

/// Redis is asked this often at least, so that changes are seen.
const LONGEST_NAP: Duration = Duration::from_secs(1);
const BACKOFF: Backoff = Backoff::exponential(Duration::from_millis(100), Duration::from_secs(2));

/// Fires the ticks of schedules. Any number may run at once: a tick and its job are one step in Redis, which only the
/// first of them takes. It remembers nothing that Redis does not know, so one that is killed loses nothing.
pub struct Scheduler {
    schedules: Schedules,
    /// What the code of an application has, until Redis knows it.
    declared: Option<(String, Vec<Schedule>)>,
    /// Entries by queue and name with the text they were read from: most are the same as the last time.
    read: HashMap<(String, String), (String, Option<Entry>)>,
    turned: watch::Sender<Instant>,
}

/// What is due, to be fired by [`Scheduler::fire`].
pub struct Due {
    now: DateTime<Utc>,
    next: Option<DateTime<Utc>>,
    work: Vec<(Queue, Entry, Pending)>,
}

/// What came of one turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// When it was, by Redis' clock.
    pub now: DateTime<Utc>,
    /// Ticks that it fired: those that others fired are not among them.
    pub fired: usize,
    /// When the next tick is due.
    pub next: Option<DateTime<Utc>>,
}

impl Scheduler {
    /// Fires the ticks of these schedules.
    pub fn new(schedules: Schedules) -> Self {
        Self { schedules, declared: None, read: HashMap::new(), turned: watch::Sender::new(Instant::now()) }
    }

    /// First [declares](Schedules::declare) what the code of an application has.
    #[must_use]
    pub fn declaring(mut self, application: &str, schedules: Vec<Schedule>) -> Self {
        self.declared = Some((application.to_owned(), schedules));
        self
    }

    /// When it last took a turn, well or not, from now on. That nobody says so any more means that it has ended.
    pub fn turned(&self) -> watch::Receiver<Instant> {
        self.turned.subscribe()
    }

    /// Runs until `stop` fires. While Redis is away it waits; then each schedule catches up as it is to.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut failures = 0;
        info!(queues = self.schedules.queues.len(), "scheduler starts");
        loop {
            // To be dropped in the middle does no harm: Redis does a step wholly or not at all.
            let Some(turn) = stop.run_until_cancelled(self.turn()).await else { return };
            self.turned.send_replace(Instant::now());
            let nap = match turn {
                Ok(turn) => {
                    failures = 0;
                    let left = turn.next.map(|next| (next - turn.now).to_std().unwrap_or_default());
                    // Never none, lest a clock that runs backwards keeps both sides busy.
                    left.map_or(LONGEST_NAP, |left| left.clamp(Duration::from_millis(1), LONGEST_NAP))
                }
                Err(error) => {
                    failures += 1;
                    warn!(%error, "schedules cannot be fired; trying on");
                    BACKOFF.pause(failures, &mut rand::rng())
                }
            };
            if stop.run_until_cancelled(tokio::time::sleep(nap)).await.is_none() {
                return;
            }
        }
    }

    /// Fires what is due now.
    pub async fn turn(&mut self) -> Result<Turn, ScheduleError> {
        if let Some((application, schedules)) = &self.declared {
            self.schedules.declare(application, schedules).await?;
            self.declared = None;
        }
        let due = self.due().await?;
        let fired = self.fire(&due).await?;
        Ok(Turn { now: due.now, fired, next: due.next })
    }

    /// What is due now. It changes nothing.
    pub async fn due(&mut self) -> Result<Due, ScheduleError> {
        let mut due = Due { now: DateTime::<Utc>::MIN_UTC, next: None, work: Vec::new() };
        let mut read = HashMap::new();
        for queue in &self.schedules.queues {
            let Stored { now, entries } = self.schedules.stored(queue).await?;
            due.now = due.now.max(now);
            for (name, text) in entries {
                let key = (queue.name().to_owned(), name);
                let known = self.read.remove(&key).filter(|(known, _)| *known == text);
                let (text, entry) = known.unwrap_or_else(|| {
                    // Said once, not every second.
                    let entry = Entry::read(&text).inspect_err(
                        |error| warn!(queue = key.0, schedule = key.1, %error, "a schedule cannot be read"),
                    );
                    (text, entry.ok())
                });
                if let Some(entry) = &entry {
                    let pending = entry.pending(now);
                    let next = pending.next.map(|tick| tick.due);
                    due.next = due.next.into_iter().chain(next).min();
                    if !pending.ticks.is_empty() {
                        due.work.push((queue.clone(), entry.clone(), pending));
                    }
                }
                read.insert(key, (text, entry));
            }
        }
        self.read = read;
        Ok(due)
    }

    /// Fires what was due, unless somebody else was faster or it is no longer wanted; gives how many ticks.
    pub async fn fire(&self, due: &Due) -> Result<usize, ScheduleError> {
        let mut fired = 0;
        for (queue, Entry { definition: schedule, changed, .. }, pending) in &due.work {
            let count = self.schedules.fire(queue, schedule, *changed, &pending.ticks).await?;
            if count > 0 && pending.dropped {
                warn!(schedule = schedule.name(), "more than {MOST} ticks were missed; the oldest are not made up for");
            }
            fired += count;
        }
        Ok(fired)
    }
}
