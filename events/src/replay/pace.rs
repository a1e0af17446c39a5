//! No faster than that.

use std::time::Duration;

use tokio::time::Instant;

/// A pace that is slowed down gives records about this often.
const BEAT: Duration = Duration::from_millis(200);
/// Records in a chunk, at most.
const MOST: usize = 500;

/// So many records in a time.
pub(super) struct Pace {
    /// For one.
    each: Option<Duration>,
    /// When the next one may go.
    next: Instant,
}

impl Pace {
    /// Of `rate`: how many, and in which time. Without one there is no limit.
    pub(super) fn new(rate: Option<(u32, Duration)>) -> Self {
        Self { each: rate.map(|(many, per)| per / many.max(1)), next: Instant::now() }
    }

    /// How many records go in one step.
    pub(super) fn step(&self) -> usize {
        let Some(each) = self.each else { return MOST };
        usize::try_from(BEAT.as_micros() / each.as_micros().max(1)).unwrap_or(MOST).clamp(1, MOST)
    }

    /// Waits until so many records may go.
    pub(super) async fn wait(&mut self, records: usize) {
        let due = self.due(records, Instant::now());
        tokio::time::sleep_until(due).await;
    }

    /// When so many records may go.
    fn due(&mut self, records: usize, now: Instant) -> Instant {
        let Some(each) = self.each else { return now };
        // What was not used is not made up for.
        let due = self.next.max(now);
        self.next = due + each * u32::try_from(records).unwrap_or(u32::MAX);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_go_no_faster_than_they_may() {
        let mut pace = Pace::new(Some((500, Duration::from_secs(1))));
        assert_eq!((pace.step(), Pace::new(None).step()), (100, MOST));
        assert_eq!(Pace::new(Some((1, Duration::from_mins(1)))).step(), 1);
        let began = pace.next;
        let dues: Vec<u128> = (0..4).map(|_| (pace.due(100, began) - began).as_millis()).collect();
        assert_eq!(dues, [0, 200, 400, 600]);
        let late = began + Duration::from_secs(9);
        assert_eq!(pace.due(100, late), late, "a pause is not made up for");
        assert_eq!((pace.due(100, late) - late).as_millis(), 200);
        assert_eq!(Pace::new(None).due(100, late), late);
    }
}
