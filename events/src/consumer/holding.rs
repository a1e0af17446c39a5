//! Partitions that are ours.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
};

use tokio::sync::oneshot;

/// A partition during one assignment of it. A later assignment has a higher epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    pub(super) epoch: u64,
}

/// What the polling thread is told.
#[derive(Debug)]
pub(super) enum Order {
    /// A batch is done, up to this offset and with this note.
    Settled(Place, i64, Arc<str>),
    /// A batch is given back: all is to be read again from this offset on.
    Abandoned(Place, i64),
    /// The same, if no batch is out; says whether.
    Rewind(Place, i64, oneshot::Sender<bool>),
}

/// A partition for as long as it is ours. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Holding {
    pub(super) place: Place,
    pub(super) note: Arc<str>,
    pub(super) began: Option<i64>,
    pub(super) revoked: Arc<AtomicBool>,
    pub(super) orders: mpsc::Sender<Order>,
}

impl Holding {
    /// A partition by itself, which no consumer has: for tests of what is done with one.
    pub fn alone(topic: &str, partition: i32) -> Self {
        let place = Place { topic: topic.into(), partition, epoch: 0 };
        Self { place, note: "".into(), began: None, revoked: Arc::default(), orders: mpsc::channel().0 }
    }

    /// Its topic, as Kafka names it.
    pub fn topic(&self) -> &Arc<str> {
        &self.place.topic
    }

    /// Its number.
    pub fn partition(&self) -> i32 {
        self.place.partition
    }

    /// The note that was committed with its offset when it became ours; empty if there was none.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// The offset that was committed when it became ours: the next one to be read, unless Kafka has deleted it.
    pub fn began(&self) -> Option<i64> {
        self.began
    }

    /// It is no longer ours.
    pub fn is_revoked(&self) -> bool {
        self.revoked.load(Ordering::Acquire)
    }

    /// Whether this is the same assignment of the same partition.
    pub fn is(&self, other: &Self) -> bool {
        self.place == other.place
    }

    /// Has it read again from an earlier offset. Only while no batch of it is out, which may be one that nobody has taken
    /// yet: else nothing is done and the answer is false; then let [`BatchToken::rewind`](super::BatchToken::rewind) do it.
    pub async fn rewind(&self, offset: i64) -> bool {
        let (answer, answered) = oneshot::channel();
        self.tell(Order::Rewind(self.place.clone(), offset, answer));
        answered.await.unwrap_or(false)
    }

    pub(super) fn tell(&self, order: Order) {
        // The thread may be gone after a close; then nobody commits, and what was out comes again.
        let _ = self.orders.send(order);
    }
}

/// All partitions that are ours. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Holdings(Arc<Mutex<ByName>>);

type ByName = HashMap<(Arc<str>, i32), Holding>;

impl Holdings {
    /// Those of this moment.
    pub fn list(&self) -> Vec<Holding> {
        self.lock().values().filter(|holding| !holding.is_revoked()).cloned().collect()
    }

    pub(super) fn add(&self, holding: Holding) {
        let mut holdings = self.lock();
        holdings.retain(|_, known| !known.is_revoked());
        holdings.insert((holding.place.topic.clone(), holding.place.partition), holding);
    }

    fn lock(&self) -> MutexGuard<'_, ByName> {
        // Every change is complete before anything can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
