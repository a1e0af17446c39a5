//! Load shedding: a worker that has too much to do gives jobs back to the queue, for others.

use std::{
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::time::{Instant, sleep};
use tower::{Layer, Service};

use crate::{Done, IntoJobError, JobCall, JobError};

/// Between two looks at how late the runtime is.
const LOOK: Duration = Duration::from_millis(50);
/// For so long no worker takes a job that was given back, unless told otherwise.
const PAUSE: Duration = Duration::from_secs(1);

/// A layer that hands jobs back, without spending an attempt, while there is too much to do. Clones count together.
#[derive(Clone)]
pub struct LoadShed {
    most: Option<usize>,
    lag: Option<Duration>,
    pause: Duration,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    in_flight: AtomicUsize,
    lag_us: AtomicU64,
    looking: OnceLock<()>,
}

impl LoadShed {
    /// No more than `most` runs at a time, over all the handlers that it is around.
    pub fn in_flight(most: usize) -> Self {
        Self { most: Some(most.max(1)), lag: None, pause: PAUSE, shared: Arc::default() }
    }

    /// None while the runtime is late by this much: while a task that is ready waits so long for a thread.
    pub fn lag(lag: Duration) -> Self {
        Self { most: None, lag: Some(lag), pause: PAUSE, shared: Arc::default() }
    }

    /// That, too.
    #[must_use]
    pub fn or_lag(self, lag: Duration) -> Self {
        Self { lag: Some(lag), ..self }
    }

    /// For how long no worker takes a job that was handed back; a second, if nobody says so.
    #[must_use]
    pub fn pause(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    /// A place for one more run, if there is one.
    fn enter(&self) -> Option<Place> {
        if let Some(most_lag) = self.lag {
            self.look();
            if Duration::from_micros(self.shared.lag_us.load(Relaxed)) >= most_lag {
                return None;
            }
        }
        let place = Place(self.shared.clone());
        let before = self.shared.in_flight.fetch_add(1, Relaxed);
        (before < self.most.unwrap_or(usize::MAX)).then_some(place)
    }

    /// Begins to look how late the runtime is, at the first job.
    fn look(&self) {
        self.shared.looking.get_or_init(|| {
            let shared: Weak<Shared> = Arc::downgrade(&self.shared);
            tokio::spawn(async move {
                while shared.strong_count() > 0 {
                    let begun = Instant::now();
                    sleep(LOOK).await;
                    let late = begun.elapsed().saturating_sub(LOOK);
                    if let Some(shared) = shared.upgrade() {
                        shared.lag_us.store(u64::try_from(late.as_micros()).unwrap_or(u64::MAX), Relaxed);
                    }
                }
            });
        });
    }
}

/// Dropped, it is free for another.
struct Place(Arc<Shared>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

impl<S> Layer<S> for LoadShed {
    type Service = LoadShedService<S>;

    fn layer(&self, inner: S) -> LoadShedService<S> {
        LoadShedService { shed: self.clone(), inner }
    }
}

/// A handler behind a [`LoadShed`].
#[derive(Clone)]
pub struct LoadShedService<S> {
    shed: LoadShed,
    inner: S,
}

impl<S> Service<JobCall> for LoadShedService<S>
where
    S: Service<JobCall, Response = Done>,
    S::Error: IntoJobError,
    S::Future: Send + 'static,
{
    type Response = Done;
    type Error = JobError;
    type Future = BoxFuture<'static, Result<Done, JobError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), JobError>> {
        self.inner.poll_ready(cx).map_err(IntoJobError::into_job_error)
    }

    fn call(&mut self, call: JobCall) -> Self::Future {
        let Some(place) = self.shed.enter() else {
            let answer = Err(JobError::hand_back(self.shed.pause));
            return Box::pin(std::future::ready(answer));
        };
        let run = self.inner.call(call);
        Box::pin(async move {
            let answer = run.await.map_err(IntoJobError::into_job_error);
            drop(place);
            answer
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_more_than_so_many_have_a_place() {
        let shed = LoadShed::in_flight(2);
        let [first, second, third] = [(); 3].map(|()| shed.clone().enter());
        assert!(first.is_some() && second.is_some() && third.is_none());
        drop(second);
        assert!(shed.enter().is_some(), "one that was refused takes no place");
    }

    #[tokio::test]
    async fn nobody_has_a_place_while_the_runtime_is_late() {
        let shed = LoadShed::lag(Duration::from_millis(200));
        assert!(shed.enter().is_some());
        let shared = &shed.shared;
        let until = async |late: bool| {
            while (shared.lag_us.load(Relaxed) >= 200_000) != late {
                tokio::task::yield_now().await;
            }
        };
        // The look begins in between.
        tokio::time::sleep(Duration::from_millis(1)).await;
        std::thread::sleep(Duration::from_millis(500));
        until(true).await;
        assert!(shed.enter().is_none());
        until(false).await;
        assert!(shed.enter().is_some());
    }
}
