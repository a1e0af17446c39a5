//! How many within a time that moves on.

use std::{collections::VecDeque, time::Duration};

use chrono::{DateTime, Utc};

/// A window is counted in so many parts: by one of them it may be longer than it is said to be.
const PARTS: i64 = 60;

/// Counts what happened lately, by the times that it happened at.
#[derive(Debug)]
pub(super) struct Window {
    /// Milliseconds of a part.
    part: i64,
    /// Parts and their counts, in order.
    counts: VecDeque<(i64, u64)>,
    sum: u64,
}

impl Window {
    pub(super) fn new(length: Duration) -> Self {
        let part = (i64::try_from(length.as_millis()).unwrap_or(i64::MAX) / PARTS).max(1);
        Self { part, counts: VecDeque::new(), sum: 0 }
    }

    /// Counts one more. Gives how many there were in the window that ends there.
    pub(super) fn count(&mut self, at: DateTime<Utc>) -> u64 {
        let part = at.timestamp_millis() / self.part;
        let newest = self.counts.back().map_or(part, |(newest, _)| (*newest).max(part));
        self.forget(newest);
        // Partitions come as they please: one may be behind by a little, or by more than is counted.
        if part > newest - PARTS {
            let place = self.counts.partition_point(|(known, _)| *known < part);
            match self.counts.get_mut(place) {
                Some((known, count)) if *known == part => *count += 1,
                _ => self.counts.insert(place, (part, 1)),
            }
            self.sum += 1;
        }
        self.sum
    }

    /// Whether something in it counts at that time.
    pub(super) fn is_alive(&self, at: DateTime<Utc>) -> bool {
        let now = at.timestamp_millis() / self.part;
        self.counts.back().is_some_and(|(newest, _)| *newest > now - PARTS)
    }

    fn forget(&mut self, newest: i64) {
        while let Some((part, count)) = self.counts.front().copied()
            && part <= newest - PARTS
        {
            self.sum -= count;
            self.counts.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
    }

    #[test]
    fn only_what_is_within_the_window_counts() {
        let mut window = Window::new(Duration::from_mins(1));
        let counts: Vec<u64> = [0, 1, 30, 59].map(|second| window.count(at(second))).into();
        assert_eq!(counts, [1, 2, 3, 4]);
        assert_eq!(window.count(at(60)), 4, "the first one is too old");
        assert_eq!(window.count(at(31)), 5, "one that comes late counts where it belongs");
        assert_eq!(window.count(at(0)), 5, "and one that is too late does not");
        assert!(window.is_alive(at(100)) && !window.is_alive(at(300)));
        assert_eq!(window.count(at(1_000)), 1);
        assert_eq!(window.counts.len(), 1, "nothing is kept of what is over");
    }
}
