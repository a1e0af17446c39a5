//! What the bridge knows of a partition while it has it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use millgate_events::Holding;

use crate::expectations::Expectations;

/// A partition during one assignment of it.
pub(crate) struct Partition {
    pub(crate) holding: Holding,
    /// What queues call it.
    pub(crate) source: String,
    /// Held by the hand-off of a batch, or by whoever looks whether Redis still has what it took.
    pub(crate) progress: tokio::sync::Mutex<Progress>,
}

/// How far it is.
#[derive(Default)]
pub(crate) struct Progress {
    marks: BTreeMap<String, Mark>,
    /// The offset that is next.
    next: i64,
    /// The offset that it was to begin at; until it has begun.
    pub(crate) began: Option<i64>,
    /// Up to here poison lies on the dead-letter topic.
    pub(crate) buried: Option<i64>,
    /// It is to be read again from here, and a batch that is out already is void.
    pub(crate) rewind: Option<i64>,
}

/// How far one queue is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Mark {
    /// The last record that was handed off to it, if that is known.
    pub(crate) expected: Option<i64>,
    /// Up to here it is proven that the records are those that were handed off, and not others in their place.
    pub(crate) proven: Option<i64>,
    /// They turned out to be others.
    pub(crate) replaced: bool,
}

impl Progress {
    pub(crate) fn mark(&self, queue: &str) -> Mark {
        self.marks.get(queue).copied().unwrap_or_default()
    }

    pub(crate) fn set(&mut self, queue: &str, mark: Mark) {
        if mark.replaced {
            self.buried = None;
        }
        self.marks.insert(queue.to_owned(), Mark { replaced: false, ..mark });
    }

    /// A batch begins here. Earlier than it should, unasked, it may be another log's: what was proven of the one before
    /// says nothing of it.
    pub(crate) fn begin(&mut self, first: i64) {
        if first < self.next {
            self.marks.values_mut().for_each(|mark| mark.proven = None);
        }
    }

    /// All up to here is handed off, and what is poison buried.
    pub(crate) fn end(&mut self, last: i64) {
        self.next = last + 1;
        self.buried = self.buried.max(Some(last));
    }

    /// It will be read again from here, as we asked for.
    pub(crate) fn read_again(&mut self, offset: i64) {
        self.next = offset;
    }

    /// What to note beside the offset `next`.
    pub(crate) fn note(&self, next: i64) -> String {
        let known = self.marks.iter().filter_map(|(queue, mark)| Some((queue.clone(), mark.expected?)));
        Expectations { queues: known.collect(), buried: self.buried }.note(next)
    }

    fn read(holding: &Holding) -> Self {
        let Expectations { queues, buried } = Expectations::read(holding.note());
        let mark = |offset| Mark { expected: Some(offset), ..Mark::default() };
        let marks = queues.into_iter().map(|(queue, offset)| (queue, mark(offset))).collect();
        Self { marks, next: 0, began: holding.began(), buried, rewind: None }
    }
}

/// All partitions that the bridge has had to do with.
#[derive(Default)]
pub(crate) struct Partitions(Mutex<ByName>);

type ByName = HashMap<(Arc<str>, i32), Arc<Partition>>;

impl Partitions {
    /// What is known of a partition; in a new assignment that is what its last owner noted.
    pub(crate) fn of(&self, holding: &Holding, group: &str) -> Arc<Partition> {
        let mut partitions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (holding.topic().clone(), holding.partition());
        if let Some(known) = partitions.get(&name).filter(|known| known.holding.is(holding)) {
            return known.clone();
        }
        let partition = Arc::new(Partition {
            holding: holding.clone(),
            source: source(group, holding.topic(), holding.partition()),
            progress: tokio::sync::Mutex::new(Progress::read(holding)),
        });
        partitions.insert(name, partition.clone());
        partition
    }
}

/// A queue's name for a partition: with the group, as another group reads the same events for jobs of its own.
pub(crate) fn source(group: &str, topic: &str, partition: i32) -> String {
    format!("{group}:{topic}/{partition}")
}
