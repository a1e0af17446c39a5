//! Many measurements in a few numbers.

use serde::Serialize;

/// Percentiles of times, in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Percentiles {
    pub(super) p50: f64,
    pub(super) p95: f64,
    pub(super) p99: f64,
}

impl Percentiles {
    /// Of times in milliseconds.
    pub(super) fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        let at = |percent: usize| times.get((times.len() * percent / 100).min(times.len().saturating_sub(1)));
        let [p50, p95, p99] = [50, 95, 99].map(|percent| at(percent).copied().unwrap_or_default());
        Self { p50, p95, p99 }
    }
}

/// The middle one; of an even number the lower one of the two in the middle.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let times = Percentiles::of((1..=100).rev().map(f64::from).collect());
        assert!((times.p50, times.p95, times.p99) == (51.0, 96.0, 100.0), "{times:?}");
        assert!((Percentiles::of(vec![7.0]).p99 - 7.0).abs() < f64::EPSILON);
    }

    #[test]
    fn one_slow_run_does_not_move_the_median() {
        assert!((median(vec![9.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
    }
}
