//! What a process saw, and how it gets into the history.

use std::{fmt::Write, time::Duration};

use redis::ScriptInvocation;
use uuid::Uuid;

use super::{ADD, Distribution, HistoryKeys};
use crate::{Queue, QueueError, Queues, new_job::millis};

/// A queue is looked at no more often, however many processes there are.
const LOOK_AGAIN: Duration = Duration::from_secs(4);

/// A group's topic, whose events a bridge hands off. Cheap to clone.
#[derive(Clone)]
pub struct Events {
    pub(super) queues: Queues,
    pub(super) keys: HistoryKeys,
}

impl Queues {
    /// The events of a topic, as a consumer group hands them off; its name is that without a prefix.
    pub fn events(&self, group: &str, topic: &str) -> Events {
        let base = format!("{{{}:processes}}:events:{group}/{topic}", self.config.prefix);
        Events { queues: self.clone(), keys: HistoryKeys::under(&base) }
    }
}

impl Events {
    /// Removes their history. For demos.
    pub async fn obliterate(&self) -> Result<(), QueueError> {
        let mut unlink = redis::cmd("UNLINK");
        unlink.arg(self.keys.all());
        let mut lent = self.queues.link.lend(&self.keys.all()[0]).await?;
        let answer = unlink.query_async(&mut lent.redis).await;
        self.queues.link.heard(&lent, answer)
    }
}

/// What a process has seen since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Runs that it began.
    pub started: u64,
    /// How long their jobs had waited, as far as that is known.
    pub waits: Distribution,
    /// How long they took, of those that ended.
    pub runs: Distribution,
    /// Events that it handed off.
    pub handed_off: u64,
    /// Records that it gave to the dead letters.
    pub poison: u64,
}

impl Seen {
    fn since(&self, earlier: &Self) -> Self {
        Self {
            started: self.started.saturating_sub(earlier.started),
            waits: self.waits.since(&earlier.waits),
            runs: self.runs.since(&earlier.runs),
            handed_off: self.handed_off.saturating_sub(earlier.handed_off),
            poison: self.poison.saturating_sub(earlier.poison),
        }
    }

    /// As the script wants it: what is not nothing.
    fn write(&self, call: &mut ScriptInvocation<'_>) {
        for (field, value) in [("started", self.started), ("handed_off", self.handed_off), ("poison", self.poison)] {
            if value > 0 {
                call.arg(field).arg(value);
            }
        }
        let mut field = String::new();
        for (name, distribution) in [("wait", &self.waits), ("run", &self.runs)] {
            for (bucket, count) in distribution.filled() {
                field.clear();
                let _ = write!(field, "{name}{bucket}");
                call.arg(&field).arg(count);
            }
        }
    }
}

/// Brings what a process sees of one queue, or of one topic, into its history.
pub struct Ledger {
    place: Place,
    writer: String,
    /// That of the last call, for which an answer may still be missing.
    number: u64,
    /// All up to here is in the history.
    written: Seen,
    /// What the last call was about, if it is not known whether it was done.
    pending: Option<Seen>,
}

enum Place {
    Queue(Queue),
    Events(Events),
}

impl Ledger {
    /// Of a queue. Each time it also looks how much there is.
    pub fn of_queue(queue: &Queue) -> Self {
        Self::new(Place::Queue(queue.clone()))
    }

    /// Of a topic.
    pub fn of_events(events: &Events) -> Self {
        Self::new(Place::Events(events.clone()))
    }

    fn new(place: Place) -> Self {
        let writer = Uuid::new_v4().simple().to_string()[..12].to_owned();
        Self { place, writer, number: 0, written: Seen::default(), pending: None }
    }

    /// Adds what was seen since the last time, in all what `seen` says. After an error the same is added with the next
    /// call, and counts once.
    pub async fn write(&mut self, seen: Seen) -> Result<(), QueueError> {
        if let Some(pending) = self.pending {
            self.call(&pending, LOOK_AGAIN).await?;
        }
        if seen != self.written || matches!(self.place, Place::Queue(_)) {
            self.next(&seen, LOOK_AGAIN).await?;
        }
        Ok(())
    }

    /// The same for the last time: the queue is looked at, whoever has just done so.
    pub async fn close(mut self, seen: Seen) -> Result<(), QueueError> {
        if let Some(pending) = self.pending {
            self.call(&pending, LOOK_AGAIN).await?;
        }
        self.next(&seen, Duration::ZERO).await
    }

    async fn next(&mut self, seen: &Seen, look_again: Duration) -> Result<(), QueueError> {
        self.number += 1;
        self.pending = Some(*seen);
        self.call(seen, look_again).await
    }

    async fn call(&mut self, seen: &Seen, look_again: Duration) -> Result<(), QueueError> {
        let queues = match &self.place {
            Place::Queue(queue) => &queue.queues,
            Place::Events(events) => &events.queues,
        };
        let keys = match &self.place {
            Place::Queue(queue) => HistoryKeys::of_queue(queue),
            Place::Events(events) => events.keys.clone(),
        };
        let mut call = ADD.prepare_invoke();
        for key in keys.all() {
            call.key(key);
        }
        if let Place::Queue(queue) = &self.place {
            for part in ["counts", "delayed", "dead", "lanes", "fair"] {
                call.key(queue.key(part));
            }
            for priority in 0..10 {
                call.key(queue.key(&format!("wait{priority}")));
            }
        }
        call.arg(queues.clock_shift.millis()).arg(&self.writer).arg(self.number).arg(millis(look_again));
        seen.since(&self.written).write(&mut call);
        let mut lent = queues.link.lend(&keys.all()[0]).await?;
        let answer = call.invoke_async::<()>(&mut lent.redis).await;
        queues.link.heard(&lent, answer)?;
        (self.written, self.pending) = (*seen, None);
        Ok(())
    }

    /// How often to write.
    pub const EVERY: Duration = Duration::from_secs(5);
}
