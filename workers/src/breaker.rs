//! Circuit breakers: what is down is left alone for a while, and its jobs wait without spending attempts.

use std::{
    collections::VecDeque,
    mem::replace,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use tower::{Layer, Service};
use tracing::{info, warn};

use crate::{Done, IntoJobError, JobCall, JobError};

/// Parts of a window, which goes on by one of them at a time.
const PARTS: u32 = 10;
/// A job that was kept out waits for at least so long.
const SHORTEST: Duration = Duration::from_millis(50);

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
    /// When it has been open for this long, one call is let through, and decides.
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
    pub fn new(name: &str, config: BreakerConfig) -> Self {
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Good,
    Bad,
    /// It was given up, and nobody knows.
    Unknown,
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

/// Calls of the last while, a part of it at a time.
struct Window {
    began: Instant,
    part: Duration,
    /// Number of the part, calls, failures.
    parts: VecDeque<(u64, u32, u32)>,
}

impl Window {
    fn new(length: Duration, began: Instant) -> Self {
        let part = (length / PARTS).max(Duration::from_millis(1));
        Self { began, part, parts: VecDeque::new() }
    }

    /// Adds a call; gives those in the window, and how many of them failed.
    fn add(&mut self, outcome: Outcome, now: Instant) -> (u32, u32) {
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

impl<S> Layer<S> for Breaker {
    type Service = BreakerService<S>;

    fn layer(&self, inner: S) -> BreakerService<S> {
        BreakerService { breaker: self.clone(), inner }
    }
}

/// A handler behind a [`Breaker`].
#[derive(Clone)]
pub struct BreakerService<S> {
    breaker: Breaker,
    inner: S,
}

impl<S> Service<JobCall> for BreakerService<S>
where
    S: Service<JobCall, Response = Done>,
    S::Error: IntoJobError + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Done;
    type Error = JobError;
    type Future = BoxFuture<'static, Result<Done, JobError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), JobError>> {
        self.inner.poll_ready(cx).map_err(IntoJobError::into_job_error)
    }

    fn call(&mut self, call: JobCall) -> Self::Future {
        let mut pass = match self.breaker.admit() {
            Ok(pass) => pass,
            Err(wait) => return Box::pin(std::future::ready(Err(JobError::snooze(wait)))),
        };
        pass.cancelled = Some(call.ctx.cancelled.clone());
        let run = self.inner.call(call);
        Box::pin(pass.watch(run))
    }
}

#[cfg(test)]
#[path = "breaker_tests.rs"]
mod tests;
