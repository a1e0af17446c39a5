//! How long something took, in buckets that are the same everywhere, so that they can be added up.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use serde::{Serialize, Serializer, ser::SerializeStruct};

/// Buckets: up to a millisecond, and then each √2 times as wide as the one before, to an hour and a half; and what takes
/// longer.
pub(super) const BUCKETS: usize = 47;

/// The longest time that a bucket holds, in microseconds. Whole powers of two of a millisecond, and those times √2.
fn bound(bucket: usize) -> u64 {
    let base = if bucket.is_multiple_of(2) { 1_000 } else { 1_414 };
    base << (bucket / 2)
}

/// The bucket of a time in microseconds.
fn bucket_of(micros: u64) -> usize {
    let power = (micros / 1_000).max(1).ilog2() as usize;
    let first = 2 * power;
    let beyond = usize::from(micros > bound(first)) + usize::from(micros > bound(first + 1));
    (first + beyond).min(BUCKETS - 1)
}

/// Counts how long something took, from many threads.
#[derive(Debug)]
pub struct Histogram([AtomicU64; BUCKETS]);

impl Default for Histogram {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; BUCKETS])
    }
}

impl Histogram {
    /// Counts one.
    pub fn record(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.0[bucket_of(micros)].fetch_add(1, Relaxed);
    }

    /// What was counted so far.
    pub fn read(&self) -> Distribution {
        Distribution(std::array::from_fn(|bucket| self.0[bucket].load(Relaxed)))
    }
}

/// How long something took: how many times each of some spans of time. Percentiles are read off it, to within a fifth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Distribution([u64; BUCKETS]);

impl Default for Distribution {
    fn default() -> Self {
        Self([0; BUCKETS])
    }
}

impl Distribution {
    /// How many.
    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    /// So much of them, 0 to 1, took no longer than this; nothing if there were none.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        let count = self.count();
        let wanted = part.clamp(0.0, 1.0) * count as f64;
        let mut below = 0;
        for (bucket, &here) in self.0.iter().enumerate().filter(|(_, here)| **here > 0) {
            if (below + here) as f64 >= wanted {
                let from = if bucket == 0 { 0 } else { bound(bucket - 1) } as f64;
                let inside = ((wanted - below as f64) / here as f64).clamp(0.0, 1.0);
                let micros = from + (bound(bucket) as f64 - from) * inside;
                return Some(Duration::from_secs_f64(micros / 1e6));
            }
            below += here;
        }
        None
    }

    /// Half of them took no longer.
    pub fn p50(&self) -> Option<Duration> {
        self.quantile(0.50)
    }

    /// 95 of a hundred took no longer.
    pub fn p95(&self) -> Option<Duration> {
        self.quantile(0.95)
    }

    /// 99 of a hundred took no longer.
    pub fn p99(&self) -> Option<Duration> {
        self.quantile(0.99)
    }

    /// Adds another's.
    pub fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(here, more)| *here += more);
    }

    /// By how much it grew since an earlier reading.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self(std::array::from_fn(|bucket| self.0[bucket].saturating_sub(earlier.0[bucket])))
    }

    /// Buckets that have any, with their numbers.
    pub(super) fn filled(&self) -> impl Iterator<Item = (usize, u64)> {
        self.0.iter().copied().enumerate().filter(|(_, count)| *count > 0)
    }

    pub(super) fn set(&mut self, bucket: usize, count: u64) {
        if let Some(here) = self.0.get_mut(bucket) {
            *here = count;
        }
    }
}

impl Serialize for Distribution {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ms = |time: Option<Duration>| time.map(|time| (time.as_secs_f64() * 1e5).round() / 100.0);
        let mut fields = serializer.serialize_struct("Distribution", 4)?;
        fields.serialize_field("count", &self.count())?;
        fields.serialize_field("p50_ms", &ms(self.p50()))?;
        fields.serialize_field("p95_ms", &ms(self.p95()))?;
        fields.serialize_field("p99_ms", &ms(self.p99()))?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_is_in_the_narrowest_bucket_that_holds_it() {
        for micros in (0..30_000).chain([3_600_000_000, 5_000_000_000]) {
            let bucket = bucket_of(micros);
            assert!(micros <= bound(bucket), "{micros} in {bucket}");
            assert!(bucket == 0 || micros > bound(bucket - 1), "{micros} in {bucket}");
        }
        assert!(bound(BUCKETS - 2) > 3_600_000_000, "an hour is not the longest there is");
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_are_right_to_within_a_fifth() {
        let histogram = Histogram::default();
        (1..=1_000).for_each(|ms| histogram.record(Duration::from_millis(ms)));
        let read = histogram.read();
        assert_eq!(read.count(), 1_000);
        for (quantile, right) in [(read.p50(), 500.0), (read.p95(), 950.0), (read.p99(), 990.0)] {
            let ms = quantile.unwrap().as_secs_f64() * 1_000.0;
            assert!((ms / right - 1.0).abs() < 0.2, "{ms} for {right}");
        }
        assert_eq!(Distribution::default().p50(), None);
    }

    #[test]
    fn they_are_added_up_and_compared_with_what_was_before() {
        let histogram = Histogram::default();
        histogram.record(Duration::from_millis(3));
        let before = histogram.read();
        histogram.record(Duration::from_secs(3));
        let mut grown = histogram.read().since(&before);
        assert_eq!(grown.count(), 1);
        assert!(grown.p50().unwrap() > Duration::from_secs(2));
        grown.merge(&before);
        assert_eq!(grown, histogram.read());
    }
}
