//! Who enqueues: so that a call whose answer was lost can be made again without enqueueing twice.
//!
//! Redis keeps the answer to the last call of each producer. As several calls may be on their way at once, each takes
//! one of the producer's seats, and each seat has its own last answer.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use uuid::Uuid;

/// One process' name towards Redis, and its seats. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Producer(Arc<Shared>);

struct Shared {
    name: String,
    calls: AtomicU64,
    /// Seats that are free, and how many there are.
    free: Mutex<(Vec<u32>, u32)>,
}

/// One call's seat and number.
pub(crate) struct Turn {
    producer: Producer,
    seat: u32,
    number: u64,
}

impl Producer {
    pub(crate) fn new() -> Self {
        let name = Uuid::new_v4().simple().to_string();
        Self(Arc::new(Shared { name, calls: AtomicU64::new(0), free: Mutex::default() }))
    }

    /// Takes a seat for a call.
    pub(crate) fn turn(&self) -> Turn {
        let seat = {
            let mut free = self.0.free.lock().unwrap_or_else(PoisonError::into_inner);
            free.0.pop().unwrap_or_else(|| {
                free.1 += 1;
                free.1
            })
        };
        Turn { producer: self.clone(), seat, number: self.0.calls.fetch_add(1, Relaxed) }
    }
}

impl Turn {
    /// Its name for Redis: the producer and the seat, and the call's number.
    pub(crate) fn name(&self) -> String {
        format!("{}:{} {}", self.producer.0.name, self.seat, self.number)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.producer.0.free.lock().unwrap_or_else(PoisonError::into_inner).0.push(self.seat);
    }
}
