//! Calls of the last while.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Parts of a window, which goes on by one of them at a time.
const PARTS: u32 = 10;

/// What a call came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The dependency answered.
    Good,
    /// It failed.
    Bad,
    /// It was given up, and nobody knows.
    Unknown,
}

/// Calls of the last while, a part of it at a time.
pub(super) struct Window {
    began: Instant,
    part: Duration,
    /// Number of the part, calls, failures.
    parts: VecDeque<(u64, u32, u32)>,
}

impl Window {
    pub(super) fn new(length: Duration, began: Instant) -> Self {
        let part = (length / PARTS).max(Duration::from_millis(1));
        Self { began, part, parts: VecDeque::new() }
    }

    /// Adds a call; gives those in the window, and how many of them failed.
    pub(super) fn add(&mut self, outcome: Outcome, now: Instant) -> (u32, u32) {
        let number = u64::try_from(now.saturating_duration_since(self.began).as_nanos() / self.part.as_nanos())
            .unwrap_or(u64::MAX);
        while self.parts.front().is_some_and(|part| part.0 + u64::from(PARTS) <= number) {
            self.parts.pop_front();
        }
        if self.parts.back().is_none_or(|part| part.0 != number) {
            self.parts.push_back((number, 0, 0));
        }
        if let Some((_, calls, failed)) = self.parts.back_mut() {
            *calls = calls.saturating_add(1);
            *failed = failed.saturating_add(u32::from(outcome == Outcome::Bad));
        }
        let sum =
            |sum: (u32, u32), part: &(u64, u32, u32)| (sum.0.saturating_add(part.1), sum.1.saturating_add(part.2));
        self.parts.iter().fold((0, 0), sum)
    }
}
