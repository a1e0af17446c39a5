//! The schedules of some queues, kept in Redis.

use chrono::{DateTime, Utc};
use futures::future::try_join_all;
use redis::{FromRedisValue, Script};
use tracing::warn;

use super::{RemovedSchedule, Schedule, ScheduleError, ScheduleState, Times, catch_up::Tick, entry::Entry};
use crate::{Queue, Queues, clock_shift::ClockShift, new_job::from_millis};

/// Ticks in one call of the script: few enough not to hold Redis up.
const STEP: usize = 100;

/// The schedules of some queues. Cheap to clone.
#[derive(Clone)]
pub struct Schedules {
    pub(super) queues: Vec<Queue>,
}

/// What lies in a queue, as text, at a moment of its clock.
pub(super) struct Stored {
    pub(super) now: DateTime<Utc>,
    pub(super) entries: Vec<(String, String)>,
}

impl Schedules {
    /// The schedules whose jobs go to these queues.
    pub fn new<N: AsRef<str>>(queues: &Queues, names: impl IntoIterator<Item = N>) -> Self {
        let queues = names.into_iter().map(|name| queues.queue(name.as_ref())).collect();
        Self { queues }
    }

    /// The same by a clock that is so many milliseconds ahead of that of Redis. For tests, which cannot wait for a night.
    #[must_use]
    pub fn with_clock_shift(mut self, milliseconds: i64) -> Self {
        for queue in &mut self.queues {
            queue.queues.clock_shift = ClockShift::by(milliseconds);
        }
        self
    }

    /// Only those whose jobs go to that queue.
    #[must_use]
    pub fn of(&self, queue: &str) -> Self {
        Self { queues: self.queues.iter().filter(|own| own.name() == queue).cloned().collect() }
    }

    /// Adds a schedule, or changes the one of that name. Its first tick is the first after now; if its times stay the same,
    /// none is left out.
    pub async fn put(&self, schedule: &Schedule) -> Result<(), ScheduleError> {
        let queue = self.queue_of(schedule)?;
        for (other, entry) in self.entries().await? {
            if entry.definition.name() == schedule.name() && other.name() != queue.name() {
                return Err(ScheduleError::Taken { name: schedule.name().to_owned(), queue: other.name().to_owned() });
            }
        }
        let words = [schedule.name().to_owned(), times(schedule), text(schedule)?];
        let code: String = self.change(queue, "put", &words).await?;
        Self::not_in_code(schedule.name(), code)
    }

    /// Says which schedules the code of an application has. New ones are added, others changed; those that left the code
    /// are kept, but do not fire any more. A pause stays; so do [other times](Self::edit), unless the code has new ones.
    pub async fn declare(&self, application: &str, schedules: &[Schedule]) -> Result<(), ScheduleError> {
        for schedule in schedules {
            self.queue_of(schedule)?;
        }
        for queue in &self.queues {
            let mut words = vec![application.to_owned()];
            for schedule in schedules.iter().filter(|schedule| schedule.queue() == queue.name()) {
                words.extend([schedule.name().to_owned(), times(schedule), text(schedule)?]);
            }
            self.change::<()>(queue, "declare", &words).await?;
        }
        Ok(())
    }

    /// Lets it fire at other times than its definition says, from now on: over restarts, until [`reset`](Self::reset), or
    /// until the definition has new times.
    pub async fn edit(&self, name: &str, times: &Times) -> Result<(), ScheduleError> {
        let (queue, Entry { definition: schedule, .. }) = self.find(name).await?;
        let Times { cron, zone } = schedule.at(times)?.times();
        self.change(queue, "edit", &[name.to_owned(), cron, zone]).await
    }

    /// Lets it fire at the times of its definition again, from now on.
    pub async fn reset(&self, name: &str) -> Result<(), ScheduleError> {
        let (queue, _) = self.find(name).await?;
        self.change(queue, "reset", &[name.to_owned()]).await
    }

    /// Removes a schedule that is in nobody's code. Jobs that it made stay. Gives what [`restore`](Self::restore) puts
    /// back.
    pub async fn remove(&self, name: &str) -> Result<RemovedSchedule, ScheduleError> {
        let (queue, _) = self.find(name).await?;
        let (code, entry): (String, String) = self.change(queue, "remove", &[name.to_owned()]).await?;
        Self::not_in_code(name, code)?;
        Ok(RemovedSchedule(entry))
    }

    /// Puts back the schedule of that name that was removed, as it was; it fires from now on. There must be none.
    pub async fn restore(&self, name: &str, removed: &RemovedSchedule) -> Result<(), ScheduleError> {
        let entry = Entry::read(&removed.0).map_err(ScheduleError::Unreadable)?;
        let (queue, name) = (self.queue_of(&entry.definition)?, name.to_owned());
        if entry.definition.name() != name {
            return Err(ScheduleError::Unknown { name, known: entry.definition.name().to_owned() });
        }
        let done: bool = self.change(queue, "restore", &[name.clone(), removed.0.clone()]).await?;
        let taken = ScheduleError::Taken { name, queue: queue.name().to_owned() };
        if done { Ok(()) } else { Err(taken) }
    }

    /// Lets it fire no more, until [`resume`](Self::resume). A restart does not end a pause.
    pub async fn pause(&self, name: &str) -> Result<(), ScheduleError> {
        let (queue, _) = self.find(name).await?;
        self.change(queue, "pause", &[name.to_owned()]).await
    }

    /// Lets it fire again, from now on: ticks of the pause are not made up for.
    pub async fn resume(&self, name: &str) -> Result<(), ScheduleError> {
        let (queue, _) = self.find(name).await?;
        self.change(queue, "resume", &[name.to_owned()]).await
    }

    /// Puts its job in at once, paused or not. Its ticks stay as they are. Gives the job's id.
    pub async fn run_now(&self, name: &str) -> Result<String, ScheduleError> {
        let (queue, Entry { definition: schedule, .. }) = self.find(name).await?;
        let priority = schedule.definition().priority.to_string();
        let words = [name.to_owned(), schedule.kind().to_owned(), priority, schedule.record(None)];
        self.change(queue, "run", &words).await
    }

    /// All of them, by queue and name.
    pub async fn list(&self) -> Result<Vec<ScheduleState>, ScheduleError> {
        let stored = try_join_all(self.queues.iter().map(|queue| self.stored(queue))).await?;
        let mut states = Vec::new();
        for (queue, Stored { now, entries }) in self.queues.iter().zip(&stored) {
            states.extend(readable(queue, entries).map(|entry| entry.state(*now)));
        }
        states.sort_by(|a, b| (a.schedule.queue(), a.schedule.name()).cmp(&(b.schedule.queue(), b.schedule.name())));
        Ok(states)
    }

    pub(super) async fn stored(&self, queue: &Queue) -> Result<Stored, ScheduleError> {
        let (now, entries): (i64, Vec<(String, String)>) = self.change(queue, "list", &[]).await?;
        Ok(Stored { now: from_millis(now), entries })
    }

    /// Fires ticks, the oldest first; gives how many. Those that somebody else has fired, and those that are no longer
    /// wanted, are left out.
    pub(super) async fn fire(
        &self,
        queue: &Queue,
        schedule: &Schedule,
        changed: i64,
        ticks: &[Tick],
    ) -> Result<usize, ScheduleError> {
        // What is due may have been read by another's clock; it is fired by ours.
        let own = self.queues.iter().find(|own| own.name() == queue.name());
        let queue = own.unwrap_or(queue);
        let mut fired = 0;
        for ticks in ticks.chunks(STEP) {
            let mut words = vec![
                schedule.name().to_owned(),
                changed.to_string(),
                schedule.kind().to_owned(),
                schedule.definition().priority.to_string(),
            ];
            for Tick { at, due } in ticks {
                words.extend([at.timestamp_millis().to_string(), due.timestamp_millis().to_string()]);
                words.push(schedule.record(Some(*at)));
            }
            fired += self.call::<usize>(queue, &queue.queues.scripts.tick, &words).await?;
        }
        Ok(fired)
    }

    async fn change<T: FromRedisValue>(&self, queue: &Queue, what: &str, words: &[String]) -> Result<T, ScheduleError> {
        let words: Vec<String> = std::iter::once(what.to_owned()).chain(words.iter().cloned()).collect();
        self.call(queue, &queue.queues.scripts.schedule, &words).await
    }

    async fn call<T: FromRedisValue>(
        &self,
        queue: &Queue,
        script: &Script,
        words: &[String],
    ) -> Result<T, ScheduleError> {
        let mut call = queue.prepare(script);
        call.arg(words);
        Ok(queue.run(&call).await?)
    }

    async fn entries(&self) -> Result<Vec<(&Queue, Entry)>, ScheduleError> {
        let mut all = Vec::new();
        for queue in &self.queues {
            let Stored { entries, .. } = self.stored(queue).await?;
            all.extend(readable(queue, &entries).map(|entry| (queue, entry)));
        }
        Ok(all)
    }

    /// The schedule of that name; of two, the one that has not left its code for another queue.
    async fn find(&self, name: &str) -> Result<(&Queue, Entry), ScheduleError> {
        let mut entries = self.entries().await?;
        entries.sort_by_key(|(_, entry)| entry.has_left());
        let mut known: Vec<_> = entries.iter().map(|(_, entry)| entry.definition.name().to_owned()).collect();
        known.sort_unstable();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let found = entries.into_iter().find(|(_, entry)| entry.definition.name() == name);
        found.ok_or_else(|| ScheduleError::Unknown { name: name.to_owned(), known })
    }

    fn queue_of(&self, schedule: &Schedule) -> Result<&Queue, ScheduleError> {
        self.queues.iter().find(|queue| queue.name() == schedule.queue()).ok_or_else(|| ScheduleError::Queue {
            name: schedule.name().to_owned(),
            queue: schedule.queue().to_owned(),
            known: self.queues.iter().map(Queue::name).collect::<Vec<_>>().join(", "),
        })
    }

    fn not_in_code(name: &str, application: String) -> Result<(), ScheduleError> {
        if application.is_empty() { Ok(()) } else { Err(ScheduleError::InCode { name: name.to_owned(), application }) }
    }
}

fn readable<'a>(queue: &'a Queue, entries: &'a [(String, String)]) -> impl Iterator<Item = Entry> + 'a {
    entries.iter().filter_map(move |(name, text)| {
        Entry::read(text)
            .inspect_err(|error| warn!(queue = queue.name(), schedule = name, %error, "a schedule cannot be read"))
            .ok()
    })
}

/// What decides when a schedule fires: if it changes, what came before does not count.
fn times(schedule: &Schedule) -> String {
    format!("{} {}", schedule.cron(), schedule.zone())
}

fn text(schedule: &Schedule) -> Result<String, ScheduleError> {
    serde_json::to_string(schedule).map_err(|source| ScheduleError::Encode { name: schedule.name().to_owned(), source })
}
