//! What the part of a worker that takes jobs from a queue is doing.

use std::{
    sync::{Arc, PoisonError},
    time::Instant,
};

use tokio::sync::watch;

use crate::lease::InHand;

/// What it is doing. That nobody says so any more ([`has_changed`](watch::Receiver::has_changed) is an error) means that it
/// has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claiming {
    /// It has asked Redis for jobs, then, and waits for the answer. It gives up by itself, and asks again.
    Asking(Instant),
    /// It waits for a free place, to be woken, or for its time to ask again.
    Resting,
}

/// Whether a worker has anything of a queue in hand. Cheap to clone.
#[derive(Clone)]
pub struct Hands {
    pub(crate) in_hand: Arc<InHand>,
    pub(crate) places: usize,
    pub(crate) claiming: watch::Receiver<Claiming>,
}

impl Hands {
    /// Nothing is in hand or on its way, and all results are written.
    pub fn are_empty(&self) -> bool {
        // In this order: what was on its way takes places before it rests.
        *self.claiming.borrow() == Claiming::Resting && self.in_hand.places.available_permits() == self.places
    }

    /// Whether it is to take no more jobs for now. What it has it finishes.
    pub fn quiet(&self, quiet: bool) {
        self.in_hand.quiet.send_replace(quiet);
    }

    /// How many jobs can be in hand at a time.
    pub fn places(&self) -> usize {
        self.places
    }

    /// When it last asked for jobs, if it has.
    pub fn asked(&self) -> Option<Instant> {
        *self.in_hand.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the part that takes jobs is doing, from now on.
    pub fn claiming(&self) -> watch::Receiver<Claiming> {
        self.claiming.clone()
    }
}
