//! The partitions that are ours: what each holds, what is out, what may be committed.
//!
//! Knows nothing of Kafka's client, so that its rules can be tested alone.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use super::{
    batch::{Batch, BatchToken},
    holding::{Holding, Order, Place},
};
use crate::Record;

type Name = (Arc<str>, i32);

/// A full partition of which nothing was settled for so long is paused. One that gets on is not, since the client throws
/// away what it has fetched of a partition that is paused, and fetches it again.
const STUCK: Duration = Duration::from_millis(100);

#[derive(Debug)]
struct Partition {
    epoch: u64,
    buffer: VecDeque<Record>,
    bytes: usize,
    /// A batch is out and not settled.
    out: bool,
    paused: bool,
    /// It holds more than it should, and nothing of it was settled since.
    full_since: Option<Instant>,
    /// A batch was dropped: from here on all has to be read again, and until that is arranged nothing is taken in.
    rewind: Option<i64>,
    /// The next offset to hand off. Known from the first record on, so that a group which had no offset has one before
    /// anything is done: else `latest` would pass over what was read and not settled.
    done: Option<i64>,
    /// What is committed with it. Not known until it is read off Kafka, and until then nothing is given out.
    note: Option<Arc<str>>,
    /// The offset that was committed when it became ours.
    began: Option<i64>,
    committed: Option<(i64, Arc<str>)>,
    revoked: Arc<AtomicBool>,
}

impl Partition {
    fn holding(&self, (topic, partition): &Name, note: Arc<str>, orders: &mpsc::Sender<Order>) -> Holding {
        Holding {
            place: Place { topic: topic.clone(), partition: *partition, epoch: self.epoch },
            note,
            began: self.began,
            revoked: self.revoked.clone(),
            orders: orders.clone(),
        }
    }

    fn read_again(&mut self, offset: i64) {
        self.buffer.clear();
        self.bytes = 0;
        self.rewind = Some(self.rewind.map_or(offset, |earlier| earlier.min(offset)));
    }
}

/// Every partition assigned to this consumer.
#[derive(Debug, Default)]
pub(super) struct Assignment {
    partitions: HashMap<Name, Partition>,
    /// One name for all records of a topic, so that they share it.
    topics: HashMap<String, Arc<str>>,
    last_epoch: u64,
}

impl Assignment {
    /// The shared name of a topic.
    pub(super) fn topic(&mut self, name: &str) -> Arc<str> {
        if let Some(topic) = self.topics.get(name) {
            return topic.clone();
        }
        let topic: Arc<str> = name.into();
        self.topics.insert(name.to_owned(), topic.clone());
        topic
    }

    /// A partition becomes ours.
    pub(super) fn assign(&mut self, topic: &str, partition: i32) {
        self.last_epoch += 1;
        let name = (self.topic(topic), partition);
        let fresh = Partition {
            epoch: self.last_epoch,
            buffer: VecDeque::new(),
            bytes: 0,
            out: false,
            paused: false,
            full_since: None,
            rewind: None,
            done: None,
            note: None,
            began: None,
            committed: None,
            revoked: Arc::default(),
        };
        self.partitions.insert(name, fresh);
    }

    /// Partitions whose note is not known yet.
    pub(super) fn without_note(&self) -> Vec<Name> {
        let without = self.partitions.iter().filter(|(_, state)| state.note.is_none());
        without.map(|(name, _)| name.clone()).collect()
    }

    /// The offset and the note that were committed for a partition by whoever had it before.
    pub(super) fn noted(
        &mut self,
        name: &Name,
        offset: Option<i64>,
        note: &str,
        orders: &mpsc::Sender<Order>,
    ) -> Option<Holding> {
        let state = self.partitions.get_mut(name)?;
        let note: Arc<str> = note.into();
        (state.note, state.began) = (Some(note.clone()), offset);
        Some(state.holding(name, note, orders))
    }

    /// Stops intake of a partition that is about to be taken away.
    pub(super) fn stop(&mut self, topic: &str, partition: i32) {
        let name = (self.topic(topic), partition);
        if let Some(state) = self.partitions.get_mut(&name) {
            state.buffer.clear();
            state.bytes = 0;
        }
    }

    /// A partition is no longer ours; results for it that come later are ignored.
    pub(super) fn revoke(&mut self, topic: &str, partition: i32) {
        let name = (self.topic(topic), partition);
        if let Some(state) = self.partitions.remove(&name) {
            state.revoked.store(true, Ordering::Release);
        }
    }

    /// Every partition's topic and number.
    pub(super) fn names(&self) -> Vec<Name> {
        self.partitions.keys().cloned().collect()
    }

    /// Whether any of these has a batch out.
    pub(super) fn any_out<'a>(&self, names: impl IntoIterator<Item = &'a Name>) -> bool {
        names.into_iter().any(|name| self.partitions.get(name).is_some_and(|state| state.out))
    }

    /// Whether any partition waits for its batch to be settled.
    pub(super) fn busy(&self) -> bool {
        self.partitions.values().any(|state| state.out)
    }

    /// Takes a record in. One of a partition that is not ours is dropped: whoever has it reads it.
    pub(super) fn push(&mut self, record: Record) {
        let state = self.partitions.get_mut(&(record.topic.clone(), record.partition));
        if let Some(state) = state.filter(|state| state.rewind.is_none()) {
            state.done.get_or_insert(record.offset);
            state.bytes += record.size();
            state.buffer.push_back(record);
        }
    }

    /// The next batch of every partition that has records and none out.
    pub(super) fn next_batches(&mut self, most: usize, orders: &mpsc::Sender<Order>) -> Vec<Batch> {
        let mut batches = Vec::new();
        for (name, state) in &mut self.partitions {
            let Some(note) = state.note.clone() else { continue };
            if state.out || state.buffer.is_empty() {
                continue;
            }
            let count = state.buffer.len().min(most.max(1));
            let records: Vec<Record> = state.buffer.drain(..count).collect();
            state.bytes -= records.iter().map(Record::size).sum::<usize>();
            let (Some(first), Some(last)) = (records.first(), records.last()) else { continue };
            state.out = true;
            let holding = state.holding(name, note, orders);
            let token = BatchToken { holding, first: first.offset, next: last.offset + 1, settled: false };
            batches.push(Batch { records, token });
        }
        batches
    }

    /// A batch is handed off up to `next`. A result from an earlier assignment changes nothing.
    pub(super) fn settled(&mut self, place: &Place, next: i64, note: Arc<str>) {
        if let Some(state) = self.current(place) {
            state.out = false;
            state.full_since = None;
            state.done = Some(next);
            state.note = Some(note);
        }
    }

    /// A partition is to be read again from an earlier offset, unless a batch of it is out. Gives whether it will be.
    pub(super) fn rewind(&mut self, place: &Place, offset: i64) -> bool {
        let Some(state) = self.current(place).filter(|state| !state.out) else { return false };
        state.read_again(offset);
        true
    }

    /// A batch that began at `first` was dropped. If its partition is still ours, it is to be read again from there.
    pub(super) fn abandoned(&mut self, place: &Place, first: i64) {
        if let Some(state) = self.current(place) {
            state.out = false;
            state.read_again(first);
        }
    }

    /// Partitions to be read again, and where from.
    pub(super) fn rewinds(&self) -> Vec<(Name, i64)> {
        self.partitions.iter().filter_map(|(name, state)| Some((name.clone(), state.rewind?))).collect()
    }

    /// What comes for this partition comes from where it is to be read again.
    pub(super) fn rewound(&mut self, name: &Name) {
        if let Some(state) = self.partitions.get_mut(name) {
            state.rewind = None;
        }
    }

    fn current(&mut self, place: &Place) -> Option<&mut Partition> {
        let name = (place.topic.clone(), place.partition);
        self.partitions.get_mut(&name).filter(|state| state.epoch == place.epoch)
    }

    /// Offsets that are done and not committed yet, with their notes.
    pub(super) fn to_commit(&self) -> Vec<(Name, i64, Arc<str>)> {
        let open = self.partitions.iter().filter_map(|(name, state)| {
            let (done, note) = (state.done?, state.note.clone()?);
            let is_committed = state.committed.as_ref().is_some_and(|(offset, with)| *offset == done && *with == note);
            (!is_committed).then(|| (name.clone(), done, note))
        });
        open.collect()
    }

    /// These were committed.
    pub(super) fn committed(&mut self, offsets: &[(Name, i64, Arc<str>)]) {
        for (name, offset, note) in offsets {
            if let Some(state) = self.partitions.get_mut(name) {
                state.committed = Some((*offset, note.clone()));
            }
        }
    }

    /// What to do about partitions that hold more than `limit` bytes.
    pub(super) fn pressure(&mut self, limit: usize, now: Instant) -> Pressure {
        let mut pressure = Pressure::default();
        for (name, state) in &mut self.partitions {
            if state.bytes <= limit {
                state.full_since = None;
            }
            if state.paused && state.bytes <= limit / 2 {
                state.paused = false;
                pressure.resume.push(name.clone());
            } else if !state.paused && state.bytes > limit {
                let since = *state.full_since.get_or_insert(now);
                if now.duration_since(since) < STUCK {
                    pressure.wait = true;
                } else {
                    state.paused = true;
                    pressure.pause.push(name.clone());
                }
            }
        }
        pressure
    }
}

/// Partitions that hold too much, and those that do not any more.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pressure {
    /// A partition is full and gets on: nothing more is taken in for a moment.
    pub(super) wait: bool,
    /// Partitions that are stuck: the others go on without them.
    pub(super) pause: Vec<Name>,
    /// Partitions that fell to half of what they may hold.
    pub(super) resume: Vec<Name>,
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::Headers;

    fn record(offset: i64) -> Record {
        Record {
            topic: "t".into(),
            partition: 0,
            offset,
            timestamp: None,
            key: None,
            value: Some(Bytes::from(vec![0; 1000])),
            headers: Headers::new(),
        }
    }

    fn name() -> Name {
        ("t".into(), 0)
    }

    /// The partition becomes ours, and what was noted of it is known.
    fn assign(assignment: &mut Assignment, note: &str) {
        assignment.assign("t", 0);
        assert!(assignment.noted(&name(), None, note, &mpsc::channel().0).is_some());
    }

    fn filled(offsets: std::ops::Range<i64>) -> Assignment {
        let mut assignment = Assignment::default();
        assign(&mut assignment, "");
        offsets.for_each(|offset| assignment.push(record(offset)));
        assignment
    }

    fn obey(assignment: &mut Assignment, orders: &mpsc::Receiver<Order>) {
        while let Ok(order) = orders.try_recv() {
            match order {
                Order::Settled(place, next, note) => assignment.settled(&place, next, note),
                Order::Abandoned(place, first) => assignment.abandoned(&place, first),
                Order::Rewind(place, offset, answer) => drop(answer.send(assignment.rewind(&place, offset))),
            }
        }
    }

    #[test]
    fn one_batch_of_a_partition_at_a_time() {
        let (sender, orders) = mpsc::channel();
        let mut assignment = filled(0..5);
        let batch = assignment.next_batches(3, &sender).pop().unwrap();
        assert_eq!(batch.records.len(), 3);
        assert!(assignment.next_batches(3, &sender).is_empty());
        assert_eq!(assignment.to_commit(), [(name(), 0, "".into())], "where it began, and no further");
        batch.token.settle();
        obey(&mut assignment, &orders);
        assert_eq!(assignment.to_commit(), [(name(), 3, "".into())]);
        assert_eq!(assignment.next_batches(3, &sender).pop().unwrap().records[0].offset, 3);
    }

    #[test]
    fn a_result_from_an_earlier_assignment_changes_nothing() {
        let (sender, orders) = mpsc::channel();
        let mut assignment = filled(0..2);
        let late = assignment.next_batches(9, &sender).pop().unwrap();
        assignment.revoke("t", 0);
        assert!(late.token.is_revoked());
        assign(&mut assignment, "");
        assignment.push(record(0));
        let current = assignment.next_batches(9, &sender).pop().unwrap();
        late.token.settle();
        obey(&mut assignment, &orders);
        assert_eq!(assignment.to_commit(), [(name(), 0, "".into())]);
        assert!(assignment.busy());
        assert!(!current.token.is_revoked());
    }

    #[test]
    fn a_dropped_batch_is_given_back_and_never_committed() {
        let (sender, orders) = mpsc::channel();
        let mut assignment = filled(0..4);
        drop(assignment.next_batches(2, &sender));
        obey(&mut assignment, &orders);
        assert_eq!(assignment.to_commit(), [(name(), 0, "".into())]);
        assert_eq!(assignment.rewinds(), [(("t".into(), 0), 0)]);
        assignment.push(record(4));
        assert!(assignment.next_batches(2, &sender).is_empty(), "what was read ahead is read again");
        assignment.rewound(&("t".into(), 0));
        assignment.push(record(0));
        assert_eq!(assignment.next_batches(2, &sender).pop().unwrap().records[0].offset, 0);
    }

    #[test]
    fn what_is_to_be_read_again_is_forgotten_with_the_assignment() {
        let (sender, orders) = mpsc::channel();
        let mut assignment = filled(0..4);
        drop(assignment.next_batches(2, &sender));
        obey(&mut assignment, &orders);
        assignment.revoke("t", 0);
        assert!(assignment.rewinds().is_empty());
        assignment.assign("t", 0);
        assert!(assignment.rewinds().is_empty());
    }

    #[test]
    fn nothing_is_given_out_or_committed_before_it_is_known_what_was_noted() {
        let (sender, orders) = mpsc::channel();
        let mut assignment = Assignment::default();
        assignment.assign("t", 0);
        assignment.push(record(7));
        assert!(assignment.next_batches(9, &sender).is_empty() && assignment.to_commit().is_empty());
        assert_eq!(assignment.without_note(), [name()]);
        assignment.noted(&name(), Some(5), "before", &sender);
        assert!(assignment.without_note().is_empty());
        assert_eq!(assignment.to_commit(), [(name(), 7, "before".into())], "what was noted stays");
        let batch = assignment.next_batches(9, &sender).pop().unwrap();
        assert_eq!((batch.token.holding().note(), batch.token.holding().began()), ("before", Some(5)));
        batch.token.settle_with("after");
        obey(&mut assignment, &orders);
        assert_eq!(assignment.to_commit(), [(name(), 8, "after".into())]);
        assignment.committed(&assignment.to_commit());
        assert!(assignment.to_commit().is_empty());
    }

    #[test]
    fn it_is_read_again_from_where_a_batch_or_nobody_says() {
        let (sender, orders) = mpsc::channel();
        let mut assignment = filled(5..9);
        let batch = assignment.next_batches(2, &sender).pop().unwrap();
        let place = batch.token.holding().place.clone();
        assert!(!assignment.rewind(&place, 1), "a batch is out, and would be settled after it");
        batch.token.rewind(3);
        obey(&mut assignment, &orders);
        assert_eq!(assignment.rewinds(), [(name(), 3)]);
        assert!(assignment.rewind(&place, 1) && assignment.rewind(&place, 2));
        assert_eq!(assignment.rewinds(), [(name(), 1)], "the earliest, of all that were asked for");
        assignment.rewound(&name());
        assignment.push(record(1));
        assert_eq!(assignment.next_batches(2, &sender).pop().unwrap().records[0].offset, 1);
        let stale = Place { epoch: place.epoch + 1, ..place };
        assert!(!assignment.rewind(&stale, 0));
    }

    #[test]
    fn a_full_partition_is_waited_for_while_it_gets_on_and_paused_once_it_is_stuck() {
        let (sender, orders) = mpsc::channel();
        let mut assignment = filled(0..20);
        let (wait, start) = (Pressure { wait: true, ..Pressure::default() }, Instant::now());
        assert_eq!(assignment.pressure(5_000, start), wait);
        assignment.next_batches(5, &sender).pop().unwrap().token.settle();
        let later = start + STUCK;
        obey(&mut assignment, &orders);
        assert_eq!(assignment.pressure(5_000, later), wait, "something of it was settled");
        let stuck = Pressure { pause: vec![name()], ..Pressure::default() };
        assert_eq!(assignment.pressure(5_000, later + STUCK), stuck);
        assert_eq!(assignment.pressure(5_000, later + STUCK), Pressure::default());
        let batch = assignment.next_batches(14, &sender);
        let resumed = Pressure { resume: vec![name()], ..Pressure::default() };
        assert_eq!(assignment.pressure(5_000, later + STUCK), resumed, "at half of what it may hold");
        drop(batch);
    }

    #[test]
    fn a_record_of_a_foreign_partition_is_not_taken_in() {
        let (sender, _orders) = mpsc::channel();
        let mut assignment = filled(0..1);
        assignment.revoke("t", 0);
        assignment.push(record(1));
        assert!(assignment.next_batches(9, &sender).is_empty());
    }
}
