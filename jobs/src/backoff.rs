//! How long to wait before a failed job runs again.

use std::time::Duration;

use rand::{Rng, RngExt};

/// Exponential backoff with jitter: before retry *n* (from 1), between half and all of
/// `base × 2ⁿ⁻¹`, at most `max`.
///
/// ```
/// # use std::time::Duration;
/// # use millgate_jobs::Backoff;
/// let backoff = Backoff { base: Duration::from_secs(1), max: Duration::from_secs(60) };
/// assert_eq!(backoff.ceiling(1), Duration::from_secs(1));
/// assert_eq!(backoff.ceiling(4), Duration::from_secs(8));
/// assert_eq!(backoff.ceiling(40), Duration::from_secs(60));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first pause, at most.
    pub base: Duration,
    /// No pause is longer.
    pub max: Duration,
}

impl Backoff {
    /// The longest pause after the `attempt`-th run (from 1).
    pub fn ceiling(&self, attempt: u32) -> Duration {
        let factor = 2_u32.saturating_pow(attempt.saturating_sub(1));
        self.base.saturating_mul(factor).min(self.max)
    }

    /// A pause after the `attempt`-th run. Half of it is random, so that jobs that failed together
    /// do not come back together.
    pub fn pause(&self, attempt: u32, random: &mut impl Rng) -> Duration {
        self.ceiling(attempt).mul_f64(random.random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::SmallRng};

    use super::*;

    #[test]
    fn pauses_lie_between_half_and_all_of_the_ceiling() {
        let backoff = Backoff { base: Duration::from_millis(100), max: Duration::from_secs(10) };
        let mut random = SmallRng::seed_from_u64(1);
        for attempt in 1..20 {
            let (ceiling, pause) = (backoff.ceiling(attempt), backoff.pause(attempt, &mut random));
            assert!(pause <= ceiling && pause >= ceiling / 2, "{attempt}: {pause:?}");
        }
    }
}
