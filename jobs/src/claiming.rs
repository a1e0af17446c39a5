//! What the part of a worker that takes jobs from a queue is doing.

use std::time::Instant;

/// What it is doing. That nobody says so any more ([`has_changed`](tokio::sync::watch::Receiver::has_changed) is an error) means that it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claiming {
    /// It has asked Redis for jobs, then, and waits for the answer. It gives up by itself, and asks again.
    Asking(Instant),
    /// It waits for a free place, to be woken, or for its time to ask again.
    Resting,
}
