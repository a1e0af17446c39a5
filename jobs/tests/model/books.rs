//! The model: what may be true of a queue after all that was done to it.
//!
//! It does not foretell which job a worker gets, but what must not happen. A moment is two times, as the clock of Redis
//! goes on between our looking at it: no earlier than the first, no later than the second.

use std::collections::HashMap;

use millgate_jobs::{Conflict, Enqueued, Hold, JobId};

use crate::{
    claims::Lease,
    entry::{Entry, State},
    spec::{LaneKind, Spec},
};

pub(crate) type Moment = (i64, i64);
type Key = (&'static str, String);

/// What may come of a job at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Duplicate,
    Cancelled,
    Held(usize),
    /// In, and perhaps in another's place.
    In(Option<usize>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sure {
    No,
    Maybe,
    Yes,
}

/// Whether what lasts till then has not passed by now.
fn lasts(till: Option<&Moment>, now: Moment) -> Sure {
    match till {
        Some(till) if till.0 > now.1 => Sure::Yes,
        Some(till) if till.1 > now.0 => Sure::Maybe,
        _ => Sure::No,
    }
}

fn after(now: Moment, millis: i64) -> Moment {
    (now.0 + millis, now.1 + millis)
}

pub(crate) struct Batch {
    pub(crate) id: String,
    pub(crate) left: usize,
    pub(crate) total: usize,
    pub(crate) dead: usize,
    pub(crate) callback: usize,
    pub(crate) called: bool,
}

#[derive(Default)]
pub(crate) struct Books {
    pub(crate) entries: Vec<Entry>,
    /// Those that were not at their end when it was last asked, and how many it was asked of.
    old: Vec<usize>,
    looked_through: usize,
    pub(crate) by_key: HashMap<JobId, usize>,
    pub(crate) leases: Vec<Lease>,
    pub(crate) batches: Vec<Batch>,
    /// Who holds a unique key, and till when if that is told.
    pub(crate) holders: HashMap<Key, (usize, Option<Moment>)>,
    /// Cancels: till which event, and when they are forgotten.
    marks: HashMap<Key, (i64, Moment)>,
    seen: HashMap<String, Moment>,
    once: HashMap<String, Moment>,
    /// When a spaced lane's last job started.
    pub(crate) starts: HashMap<u8, Moment>,
    /// Ids and cancels are remembered for so many milliseconds.
    window: i64,
}

impl Books {
    pub(crate) fn new(window: i64) -> Self {
        Self { window, ..Self::default() }
    }

    /// A job that was not enqueued yet; gives its number.
    pub(crate) fn add(&mut self, spec: Spec) -> usize {
        self.entries.push(Entry::new(spec));
        self.entries.len() - 1
    }

    pub(crate) fn count(&self, wanted: impl Fn(&Entry) -> bool) -> usize {
        self.live().filter(|entry| wanted(entry)).count()
    }

    /// Jobs that have not come to their end, and some that have.
    pub(crate) fn live(&self) -> impl Iterator<Item = &Entry> + Clone {
        self.numbers_live().map(|n| &self.entries[n])
    }

    fn numbers_live(&self) -> impl Iterator<Item = usize> + Clone {
        self.old.iter().copied().chain(self.looked_through..self.entries.len())
    }

    pub(crate) fn numbers(&self, wanted: impl Fn(&Entry) -> bool) -> Vec<usize> {
        self.numbers_live().filter(|n| wanted(&self.entries[*n])).collect()
    }

    /// Looks no more at jobs that have come to their end: a long walk meets many. Done ones can be kept for a while.
    pub(crate) fn forget_ended(&mut self) {
        let recent = self.entries.len().saturating_sub(1_000);
        let stays = |n: &usize| match self.entries[*n].state {
            State::Cancelled | State::Refused | State::Removed => false,
            State::Done => *n >= recent || self.entries[*n].spec.id.is_some(),
            _ => true,
        };
        self.old = self.numbers_live().filter(stays).collect();
        self.looked_through = self.entries.len();
    }

    /// Whether what the job is about was cancelled since.
    fn cancelled(&self, spec: &Spec, born: Moment) -> Sure {
        let Some((time, _)) = spec.key().and_then(|key| self.marks.get(&key)) else { return Sure::No };
        let born = spec.time.map_or(born, |time| (time, time));
        match () {
            () if born.1 <= *time => Sure::Yes,
            () if born.0 <= *time => Sure::Maybe,
            () => Sure::No,
        }
    }

    pub(crate) fn is_doomed(&self, n: usize) -> bool {
        let entry = &self.entries[n];
        let born = entry.key.map_or(entry.born, |key| i64::from_str_radix(&key.as_str()[..9], 36).unwrap());
        self.cancelled(&entry.spec, (born, born)) == Sure::Yes
    }

    /// Whether a job's own id was there within the window, or is still.
    fn knows_id(&self, n: usize, now: Moment) -> Sure {
        let Some(id) = &self.entries[n].spec.id else { return Sure::No };
        let seen = lasts(self.seen.get(id), now);
        let mut twins = self.live().filter(|entry| entry.spec.id.as_ref() == Some(id));
        if seen == Sure::Yes || twins.clone().any(|twin| twin.is_here() || twin.state == State::Dead) {
            return Sure::Yes;
        }
        // Done ones may be kept.
        if twins.any(|twin| matches!(twin.state, State::Done | State::Unsure)) { Sure::Maybe } else { seen }
    }

    pub(crate) fn doors(&self, n: usize, now: Moment) -> Vec<Door> {
        let spec = &self.entries[n].spec;
        let mut doors = Vec::new();
        let known = [self.knows_id(n, now), lasts(spec.once.as_ref().and_then(|(key, _)| self.once.get(key)), now)];
        if known.contains(&Sure::Yes) {
            return vec![Door::Duplicate];
        }
        if known.contains(&Sure::Maybe) {
            doors.push(Door::Duplicate);
        }
        match self.cancelled(spec, now) {
            Sure::Yes => {
                doors.push(Door::Cancelled);
                return doors;
            }
            Sure::Maybe => doors.push(Door::Cancelled),
            Sure::No => {}
        }
        let Some((holder, till)) = spec.key().and_then(|key| self.holders.get(&key)) else {
            doors.push(Door::In(None));
            return doors;
        };
        let held = if till.is_some() { lasts(till.as_ref(), now) } else { Sure::Yes };
        if held != Sure::Yes {
            doors.push(Door::In(None));
        }
        if held != Sure::No {
            let replaces = spec.unique.as_ref().is_some_and(|unique| unique.conflict == Conflict::Replace);
            doors.push(match self.entries[*holder].state {
                State::Pending if replaces => Door::In(Some(*holder)),
                State::Active(_) if replaces => Door::In(None),
                _ => Door::Held(*holder),
            });
        }
        doors
    }

    /// Books what came of a job at the door.
    pub(crate) fn entered(&mut self, n: usize, result: Enqueued, now: Moment) {
        let doors = self.doors(n, now);
        let fits = |door: &&Door| match (door, result) {
            (Door::Duplicate, Enqueued::Duplicate)
            | (Door::Cancelled, Enqueued::Cancelled)
            | (Door::In(_), Enqueued::New(_)) => true,
            // One that another set off has a number in the queue that we may not know.
            (Door::Held(holder), Enqueued::Held(id)) => self.by_key.get(&id).is_none_or(|n| n == holder),
            _ => false,
        };
        let door = *doors.iter().find(fits).unwrap_or_else(|| {
            panic!("job {n} {:?}: {result:?}, and may be {doors:?}", self.entries[n].spec);
        });
        let key = if let Enqueued::New(id) = result { Some(id) } else { None };
        self.pass_door(n, door, key, now);
    }

    pub(crate) fn pass_door(&mut self, n: usize, door: Door, key: Option<JobId>, now: Moment) {
        let spec = self.entries[n].spec.clone();
        if let Some(id) = &spec.id {
            let (from, till) = after(now, self.window);
            let known = self.knows_id(n, now);
            if door != Door::Duplicate || known == Sure::No {
                self.seen.insert(id.clone(), (from, till));
            } else if known == Sure::Maybe {
                self.seen.insert(id.clone(), (0, till));
            }
        }
        if let Some((key, window)) = spec.once.clone().filter(|_| door != Door::Duplicate) {
            self.once.insert(key, after(now, window));
        }
        let Door::In(replaced) = door else {
            self.entries[n].state = if door == Door::Cancelled { State::Cancelled } else { State::Refused };
            return self.close_in_batch(n, State::Done, now);
        };
        if let Some(replaced) = replaced {
            self.end(replaced, State::Cancelled, now);
        }
        self.take_in(n, key, now);
    }

    fn take_in(&mut self, n: usize, key: Option<JobId>, now: Moment) {
        let entry = &mut self.entries[n];
        entry.enter(now);
        entry.key = key;
        if let Some(key) = key {
            self.by_key.insert(key, n);
        }
        self.take_key(n, now);
    }

    /// A job's key in the queue is known from now on.
    pub(crate) fn name(&mut self, n: usize, key: JobId) {
        let entry = &mut self.entries[n];
        assert!(entry.key.is_none_or(|known| known == key), "job {n} is {key} and {:?}", entry.key);
        entry.key = Some(key);
        self.by_key.insert(key, n);
    }

    pub(crate) fn take_key(&mut self, n: usize, now: Moment) {
        let spec = &self.entries[n].spec;
        let Some(key) = spec.key() else { return };
        let till = match spec.unique.as_ref().map(|unique| unique.hold) {
            Some(Hold::For(window)) => Some(after(now, i64::try_from(window.as_millis()).unwrap())),
            _ => None,
        };
        self.holders.insert(key, (n, till));
    }

    pub(crate) fn free_key(&mut self, n: usize) {
        if let Some(key) = self.entries[n].spec.key()
            && self.holders.get(&key) == Some(&(n, None))
        {
            self.holders.remove(&key);
        }
    }

    /// A job has come to its end.
    pub(crate) fn end(&mut self, n: usize, state: State, now: Moment) {
        let entry = &mut self.entries[n];
        assert!(entry.is_here(), "job {n} comes to its end, and is {:?}", entry.state);
        (entry.state, entry.open, entry.keeps, entry.stopping) = (state, false, false, false);
        entry.buried_till = 0;
        // A dead one may run again, and be done then.
        let mut following = if state == State::Done { std::mem::take(&mut entry.following) } else { Vec::new() };
        self.free_key(n);
        self.close_in_batch(n, state, now);
        if state == State::Done && !following.is_empty() {
            let next = following.remove(0);
            self.entries[next].following = following;
            let doors = self.doors(next, now);
            if doors.contains(&Door::In(None)) && self.entries[next].spec.unique.is_none() && doors.len() == 1 {
                self.pass_door(next, Door::In(None), None, now);
            } else {
                // What others do in the same step decides it.
                self.entries[next].enter(now);
                self.entries[next].state = State::Unsure;
            }
        }
    }

    pub(crate) fn close_in_batch(&mut self, n: usize, state: State, now: Moment) {
        let Some(batch) = self.entries[n].batch else { return };
        let batch = &mut self.batches[batch];
        batch.left -= 1;
        if state == State::Dead {
            batch.dead += 1;
        }
        if !batch.called && (batch.left == 0 || state == State::Dead) {
            batch.called = true;
            let callback = batch.callback;
            self.take_in(callback, None, now);
        }
    }

    pub(crate) fn cancel(&mut self, key: &Key, time: i64, now: Moment) -> bool {
        let till = after(now, self.window);
        let mark = self.marks.entry(key.clone()).or_insert((time, till));
        *mark = (mark.0.max(time), till);
        let holder = self.holders.get(key).map(|(holder, _)| *holder);
        let taken = holder.filter(|n| {
            let entry = &self.entries[*n];
            entry.is_pending() && entry.spec.time.is_none_or(|event| event <= time)
        });
        if let Some(n) = taken {
            self.end(n, State::Cancelled, now);
        }
        self.marks.retain(|_, (_, till)| till.0 > now.0);
        taken.is_some()
    }

    /// A dead job runs again.
    pub(crate) fn redrive(&mut self, n: usize, now: Moment) {
        self.entries[n].attempts = 0;
        if let Some(batch) = self.entries[n].batch.map(|batch| &mut self.batches[batch])
            && batch.left > 0
        {
            (batch.left, batch.dead) = (batch.left + 1, batch.dead - 1);
        } else {
            self.entries[n].batch = None;
        }
        let spec = &self.entries[n].spec;
        let holds = spec.unique.as_ref().is_some_and(|unique| !matches!(unique.hold, Hold::For(_)));
        if let Some(key) = spec.key().filter(|_| holds) {
            let free =
                self.holders.get(&key).is_none_or(|(_, till)| till.is_some() && lasts(till.as_ref(), now) == Sure::No);
            if free {
                self.holders.insert(key, (n, None));
            }
        }
    }

    /// Of every lane no more are under way than may be, and nobody waits there for nothing.
    pub(crate) fn check_lane(&self, n: usize) {
        let entry = &self.entries[n];
        let Some((kind, _)) = entry.spec.lane else { return };
        let mates = self.live().filter(|other| other.spec.lane == entry.spec.lane);
        match kind {
            LaneKind::Ordered => {
                let open: Vec<_> = mates.filter(|mate| mate.open).collect();
                assert!(open.len() <= 1, "of ordered lane {:?} more than one has begun: {open:#?}", entry.spec.lane);
            }
            LaneKind::Limited(most) => {
                let active = mates.filter(|mate| mate.is_active()).count();
                assert!(active <= most as usize, "{active} of limited lane {:?} are under way", entry.spec.lane);
            }
            LaneKind::Spaced(_) => {}
        }
    }

    /// Whether a job that is due has to wait for others of its lane.
    pub(crate) fn waits_in_lane(&self, n: usize, now: Moment) -> bool {
        let Some((kind, lane)) = self.entries[n].spec.lane else { return false };
        let mut mates = self.live().filter(|other| other.spec.lane == Some((kind, lane)));
        match kind {
            LaneKind::Ordered => {
                mates.any(|mate| mate.is_active() || (mate.is_pending() && mate.keeps && mate.due.1 > now.0))
            }
            LaneKind::Limited(most) => mates.filter(|mate| mate.is_active()).count() >= most as usize,
            LaneKind::Spaced(interval) => {
                let last = self.starts.get(&lane).map_or(i64::MIN / 2, |start| start.1);
                last + interval > now.0
            }
        }
    }
}
