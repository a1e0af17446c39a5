//! Which windows there are, and where each begins and ends. All moments are milliseconds since 1970.

use std::{fmt, time::Duration};

/// Kinds of windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Of one size, one every so often. What is kept is by slices, of which each window is made of some whole ones: an event is
    /// folded once, however many windows it is in.
    Aligned { size: i64, every: i64, slice: i64 },
    /// From a key's event to its last one that no gap parts from it, and one gap more.
    Session { gap: i64 },
}

impl Shape {
    /// # Panics
    /// If `every` is no part of a millisecond's multiple, or is longer than `size`: then events would be in no window.
    pub(crate) fn aligned(size: Duration, every: Duration) -> Self {
        let (size, every) = (whole_millis(size), whole_millis(every));
        assert!(every <= size, "windows that begin every {every} ms and last {size} ms would leave events out");
        Self::Aligned { size, every, slice: greatest_common_divisor(size, every) }
    }

    /// # Panics
    /// If the gap is less than a millisecond.
    pub(crate) fn session(gap: Duration) -> Self {
        Self::Session { gap: whole_millis(gap) }
    }

    /// Until when a slice or a session that begins at `start`, and whose last event is at `last`, may be added to.
    pub(crate) fn ends(self, start: i64, last: i64) -> i64 {
        match self {
            Self::Aligned { slice, .. } => start + slice,
            Self::Session { gap } => last + gap,
        }
    }

    /// Whether an event is too late: what it would belong to ended longer than `lateness` before the watermark.
    ///
    /// By its slice, not by each of its windows: it counts in all of them or in none. In a session by its own time, so that whether
    /// it counts never depends on which other events were seen where.
    pub(crate) fn is_late(self, time: i64, watermark: i64, lateness: i64) -> bool {
        let end = match self {
            Self::Aligned { slice, .. } => time.div_euclid(slice) * slice + slice,
            Self::Session { .. } => time,
        };
        end + lateness <= watermark
    }

    /// Starts of the windows that a slice is in.
    pub(crate) fn windows_of(size: i64, every: i64, slice: i64, start: i64) -> impl Iterator<Item = i64> {
        let last = start.div_euclid(every) * every;
        let first = round_up(start + slice - size, every);
        (0..=(last - first) / every).map(move |step| first + step * every)
    }
}

/// The least multiple of `unit` that is no less.
pub(crate) fn round_up(value: i64, unit: i64) -> i64 {
    (value + unit - 1).div_euclid(unit) * unit
}

/// As milliseconds.
///
/// # Panics
/// If it is none, or more than 300 years.
pub(crate) fn whole_millis(time: Duration) -> i64 {
    let millis = i64::try_from(time.as_millis()).ok().filter(|&millis| (1..10_000_000_000_000).contains(&millis));
    millis.unwrap_or_else(|| {
        panic!("a window's time has to be a millisecond at least and 300 years at most, not {time:?}")
    })
}

fn greatest_common_divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// What is noted of a stream, to see whether it is still the same.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aligned { size, every, .. } if size == every => write!(f, "tumbling {size} ms"),
            Self::Aligned { size, every, .. } => write!(f, "hopping {size} ms every {every} ms"),
            Self::Session { gap } => write!(f, "session {gap} ms"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slice_is_in_all_windows_that_hold_it() {
        for (size, every) in [(60, 60), (60, 20), (60, 25), (7, 3)] {
            let slice = greatest_common_divisor(size, every);
            for start in (-120..120).step_by(usize::try_from(slice).unwrap()) {
                let windows: Vec<i64> = Shape::windows_of(size, every, slice, start).collect();
                let wanted: Vec<i64> = (-300..300)
                    .filter(|window| window % every == 0 && *window <= start && start + slice <= window + size)
                    .collect();
                assert_eq!(windows, wanted, "{size} {every} {start}");
            }
        }
    }

    #[test]
    fn an_event_is_late_from_the_moment_on_that_its_slice_is_closed() {
        let tumbling = Shape::Aligned { size: 10, every: 10, slice: 10 };
        assert!(!tumbling.is_late(9, 14, 5), "the window ends at 10, and 5 more are allowed");
        assert!(tumbling.is_late(9, 15, 5));
        assert!(!tumbling.is_late(10, 15, 5));
        assert!(tumbling.is_late(-1, 5, 5) && !tumbling.is_late(-1, 4, 5));
        let session = Shape::Session { gap: 10 };
        assert!(session.is_late(9, 14, 5) && !session.is_late(9, 13, 5));
    }
}
