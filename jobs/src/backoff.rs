//! How long to wait before a failed job runs again.

use std::{panic::catch_unwind, time::Duration};

use rand::{Rng, RngExt};

/// How the pause before a retry grows with the attempts.
///
/// ```
/// # use std::time::Duration;
/// # use millgate_jobs::Backoff;
/// let second = Duration::from_secs(1);
/// let ceilings = |backoff: Backoff| [1, 2, 4, 40].map(|attempt| backoff.ceiling(attempt).as_secs());
/// assert_eq!(ceilings(Backoff::exponential(second, 60 * second)), [1, 2, 8, 60]);
/// assert_eq!(ceilings(Backoff::linear(5 * second, 60 * second)), [5, 10, 20, 60]);
/// assert_eq!(ceilings(Backoff::fixed(30 * second)), [30, 30, 30, 30]);
/// assert_eq!(ceilings(Backoff::own(|attempt| Duration::from_mins(attempt.into()))), [60, 120, 240, 2_400]);
/// ```
///
/// Exponential and linear pauses have jitter: a pause is between half and all of the ceiling, evenly spread, so that jobs
/// that failed together do not come back together. Fixed and own ones are kept to the millisecond; who wants jitter
/// in a function of one's own puts it there.
#[derive(Debug, Clone, Copy)]
pub enum Backoff {
    /// See [`Backoff::exponential`].
    Exponential {
        /// The first pause, at most.
        base: Duration,
        /// No pause is longer.
        max: Duration,
    },
    /// See [`Backoff::linear`].
    Linear {
        /// The first pause, at most; each further one is longer by as much.
        step: Duration,
        /// No pause is longer.
        max: Duration,
    },
    /// See [`Backoff::fixed`].
    Fixed {
        /// Every pause.
        pause: Duration,
    },
    /// See [`Backoff::own`].
    Own(fn(attempt: u32) -> Duration),
}

/// In place of an own function's answer, if there is none.
const UNANSWERED: Duration = Duration::from_mins(1);

impl Backoff {
    /// Doubles: after the *n*-th run `base × 2ⁿ⁻¹`, at most `max`, with jitter.
    pub const fn exponential(base: Duration, max: Duration) -> Self {
        Self::Exponential { base, max }
    }

    /// Grows evenly: after the *n*-th run `step × n`, at most `max`, with jitter.
    pub const fn linear(step: Duration, max: Duration) -> Self {
        Self::Linear { step, max }
    }

    /// Always the same, without jitter.
    pub const fn fixed(pause: Duration) -> Self {
        Self::Fixed { pause }
    }

    /// Whatever the function gives for the run that failed, counted from 1; without jitter. If it panics, a minute.
    pub const fn own(pause: fn(attempt: u32) -> Duration) -> Self {
        Self::Own(pause)
    }

    /// The longest pause after the `attempt`-th run (from 1).
    pub fn ceiling(&self, attempt: u32) -> Duration {
        match *self {
            Self::Exponential { base, max } => {
                let factor = 2_u32.saturating_pow(attempt.saturating_sub(1));
                base.saturating_mul(factor).min(max)
            }
            Self::Linear { step, max } => step.saturating_mul(attempt.max(1)).min(max),
            Self::Fixed { pause } => pause,
            // It is called where every job's verdict is made; a panic there would end the worker.
            Self::Own(pause) => catch_unwind(|| pause(attempt)).unwrap_or(UNANSWERED),
        }
    }

    /// A pause after the `attempt`-th run (from 1).
    pub fn pause(&self, attempt: u32, random: &mut impl Rng) -> Duration {
        let ceiling = self.ceiling(attempt);
        match self {
            Self::Exponential { .. } | Self::Linear { .. } => {
                // The longest there is cannot be rounded up.
                Duration::try_from_secs_f64(ceiling.as_secs_f64() * random.random_range(0.5..=1.0)).unwrap_or(ceiling)
            }
            Self::Fixed { .. } | Self::Own(_) => ceiling,
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::SmallRng};

    use super::*;

    const MOMENT: Duration = Duration::from_millis(100);

    #[test]
    fn pauses_with_jitter_lie_between_half_and_all_of_the_ceiling() {
        let mut random = SmallRng::seed_from_u64(1);
        for backoff in [Backoff::exponential(MOMENT, 100 * MOMENT), Backoff::linear(MOMENT, 10 * MOMENT)] {
            let mut differ = false;
            for attempt in 1..20 {
                let (ceiling, pause) = (backoff.ceiling(attempt), backoff.pause(attempt, &mut random));
                assert!(pause <= ceiling && pause >= ceiling / 2, "{attempt}: {pause:?}");
                differ |= pause != ceiling;
            }
            assert!(differ, "{backoff:?} has no jitter");
        }
    }

    #[test]
    fn pauses_without_jitter_are_exact() {
        let mut random = SmallRng::seed_from_u64(1);
        let own = Backoff::own(|attempt| MOMENT * attempt * attempt);
        for attempt in 1..20 {
            assert_eq!(Backoff::fixed(MOMENT).pause(attempt, &mut random), MOMENT);
            assert_eq!(own.pause(attempt, &mut random), MOMENT * attempt * attempt);
        }
    }

    #[test]
    fn nothing_overflows_and_nothing_panics() {
        let mut random = SmallRng::seed_from_u64(1);
        for backoff in [
            Backoff::exponential(Duration::MAX, Duration::MAX),
            Backoff::linear(Duration::MAX, Duration::MAX),
            Backoff::fixed(Duration::MAX),
        ] {
            for attempt in [0, 1, u32::MAX] {
                backoff.pause(attempt, &mut random);
            }
        }
        assert_eq!(Backoff::own(|_| panic!("a test")).pause(1, &mut random), UNANSWERED);
    }
}
