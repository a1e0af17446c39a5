//! Circuit breakers: what is down is left alone for a while, and its jobs wait without spending attempts.

mod service;
mod window;

use std::{
    mem::replace,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{IntoJobError, JobError};
use window::{Outcome, Window};

pub use service::BreakerService;

/// A job that was kept out waits for at least so long.
const SHORTEST: Duration = Duration::from_millis(50);

/// Longer it is not open: what is added to a time has to be a time.
const LONGEST: Duration = Duration::from_hours(24);

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerConfig {
    /// It opens when at least this part of the calls within the window has failed.
    pub failure_ratio: f64,
    /// With fewer calls than this in the window it stays closed.
    pub minimum_calls: u32,
    /// What is older does not count.
    #[serde(with = "humantime_serde")]
    pub window: Duration,
    /// When it has been open for this long, a day at most, one call is let through, and decides.
    #[serde(with = "humantime_serde")]
    pub open_for: Duration,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            failure_ratio: 0.5,
            minimum_calls: 10,
            window: Duration::from_secs(30),
            open_for: Duration::from_secs(15),
        }
    }
}

/// What a breaker does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls go through.
    Closed,
    /// None does.
    Open,
    /// One is tried.
    HalfOpen,
}

/// A circuit breaker for one dependency. Clones are the same breaker: put one around each handler that needs the dependency
/// (`.worker(send_invoice.layer(erp.clone()))`), or around a single call with [`run`](Self::run).
///
/// A failure is an error that a retry may mend, a panic, and a run that is cut off, as by its timeout; a job that is dead
/// was answered. Each worker process has its own opinion of a dependency.
#[derive(Clone)]
pub struct Breaker {
    name: Arc<str>,
    config: Arc<BreakerConfig>,
    phase: Arc<Mutex<Phase>>,
}

struct Phase {
    now: Now,
    /// Passes of an earlier phase say nothing of this one.
    number: u64,
}

enum Now {
    Closed(Window),
    Open { until: Instant },
    HalfOpen { trial: bool },
}

impl Breaker {
    /// A closed breaker. The name is for the log.
    pub fn new(name: &str, mut config: BreakerConfig) -> Self {
        config.open_for = config.open_for.min(LONGEST);
        let phase = Phase { now: Now::Closed(Window::new(config.window, Instant::now())), number: 0 };
        Self { name: name.into(), config: Arc::new(config), phase: Arc::new(Mutex::new(phase)) }
    }

    /// What it does now.
    pub fn state(&self) -> BreakerState {
        self.state_at(Instant::now())
    }

    fn state_at(&self, now: Instant) -> BreakerState {
        match self.lock().now {
            Now::Closed(_) => BreakerState::Closed,
            Now::Open { until } if now < until => BreakerState::Open,
            Now::Open { .. } | Now::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// Asks for a call to be let through. If it is not: how long to wait before the next try.
    pub fn admit(&self) -> Result<Pass, Duration> {
        self.admit_at(Instant::now())
    }

    fn admit_at(&self, now: Instant) -> Result<Pass, Duration> {
        let mut phase = self.lock();
        let wait = match &mut phase.now {
            Now::Closed(_) => None,
            Now::Open { until } => {
                let left = until.saturating_duration_since(now);
                if left.is_zero() {
                    phase.enter(Now::HalfOpen { trial: true });
                    info!(breaker = &*self.name, "half-open: one call is tried");
                    None
                } else {
                    Some(left)
                }
            }
            Now::HalfOpen { trial } => replace(trial, true).then_some(self.config.open_for / 10),
        };
        match wait {
            None => Ok(Pass { breaker: self.clone(), number: phase.number, told: false, cancelled: None }),
            // Not all at once when it closes.
            Some(wait) => Err((wait + wait.mul_f64(rand::random_range(0.0..0.25))).max(SHORTEST)),
        }
    }

    /// Does a call if it is let through; else the job is snoozed.
    pub async fn run<T>(&self, call: impl Future<Output = Result<T, JobError>>) -> Result<T, JobError> {
        self.watch(call, None).await
    }

    /// The same for a run that may be cut off, which is when this fires.
    pub(crate) async fn watch<T, E: IntoJobError>(
        &self,
        call: impl Future<Output = Result<T, E>>,
        cancelled: Option<CancellationToken>,
    ) -> Result<T, JobError> {
        let mut pass = self.admit().map_err(JobError::snooze)?;
        pass.cancelled = cancelled;
        pass.watch(call).await
    }

    /// What a call that was let through in phase `number` came to.
    fn note(&self, number: u64, outcome: Outcome, now: Instant) {
        let mut phase = self.lock();
        if phase.number != number {
            return;
        }
        match (&mut phase.now, outcome) {
            (Now::Closed(window), Outcome::Good | Outcome::Bad) => {
                let (calls, failed) = window.add(outcome, now);
                let ratio = f64::from(failed) / f64::from(calls);
                if outcome == Outcome::Bad && calls >= self.config.minimum_calls && ratio >= self.config.failure_ratio {
                    warn!(breaker = &*self.name, calls, failed, open_for = ?self.config.open_for, "opens");
                    self.open(&mut phase, now);
                }
            }
            (Now::HalfOpen { .. }, Outcome::Good) => {
                info!(breaker = &*self.name, "closes");
                phase.enter(Now::Closed(Window::new(self.config.window, now)));
            }
            (Now::HalfOpen { .. }, Outcome::Bad) => {
                warn!(breaker = &*self.name, open_for = ?self.config.open_for, "stays open: the call that was tried failed");
                self.open(&mut phase, now);
            }
            (Now::HalfOpen { trial }, Outcome::Unknown) => *trial = false,
            (Now::Closed(_), Outcome::Unknown) | (Now::Open { .. }, _) => {}
        }
    }

    fn open(&self, phase: &mut Phase, now: Instant) {
        phase.enter(Now::Open { until: now + self.config.open_for });
    }

    fn lock(&self) -> MutexGuard<'_, Phase> {
        // Every change is one step; none can leave it torn.
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Phase {
    fn enter(&mut self, now: Now) {
        self.now = now;
        self.number += 1;
    }
}

/// A call that was let through. Say what came of it; dropped without a word, as when a worker stops, it counts as nothing.
pub struct Pass {
    breaker: Breaker,
    number: u64,
    told: bool,
    /// Fires when the run is cut off.
    cancelled: Option<CancellationToken>,
}

impl Pass {
    /// The dependency answered, whatever it said.
    pub fn succeeded(self) {
        self.tell(Outcome::Good, Instant::now());
    }

    /// The dependency failed.
    pub fn failed(self) {
        self.tell(Outcome::Bad, Instant::now());
    }

    async fn watch<T, E: IntoJobError>(self, call: impl Future<Output = Result<T, E>>) -> Result<T, JobError> {
        let answer = call.await.map_err(IntoJobError::into_job_error);
        match &answer {
            Ok(_) | Err(JobError::Dead { .. }) => self.succeeded(),
            Err(JobError::Retry { .. }) => self.failed(),
            // Nobody was asked.
            Err(JobError::Snooze { .. } | JobError::HandBack { .. } | JobError::Cancel { .. }) => {}
        }
        answer
    }

    fn tell(mut self, outcome: Outcome, now: Instant) {
        self.told = true;
        self.breaker.note(self.number, outcome, now);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if !self.told {
            let cut_off = self.cancelled.as_ref().is_some_and(CancellationToken::is_cancelled);
            let bad = cut_off || std::thread::panicking();
            let outcome = if bad { Outcome::Bad } else { Outcome::Unknown };
            self.breaker.note(self.number, outcome, Instant::now());
        }
    }
}

#[cfg(test)]
mod tests;
