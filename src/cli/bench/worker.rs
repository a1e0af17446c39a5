//! `millgate bench queue-worker`: a worker as production runs it, with handlers that note when jobs start.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use millgate_events::Trail;
use millgate_jobs::Queues;
use millgate_workers::{Breaker, BreakerConfig, Ctx, Done, Handlers, JobError, LoadShed, State, Worker};
use tokio_util::sync::CancellationToken;

use super::{
    clock,
    load::{Hang, Load},
    order::{Order, Report, Start},
    parent::{Parent, say},
    spent,
};
use crate::cli::Outcome;

#[derive(Clone, Default)]
struct Starts(Arc<Mutex<Vec<Start>>>);

impl Starts {
    fn note(&self, due: clock::Micros) {
        let start = Start { at: clock::now(), due };
        // A push is all that happens under the lock; nothing can be torn.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(start);
    }

    fn take(&self) -> Vec<Start> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn load(job: Load, ctx: Ctx) -> Result<Done, JobError> {
    if job.counts() {
        ctx.state::<Starts>()?.note(job.due_us);
    }
    Ok(Done)
}

async fn hang(_: Hang, ctx: Ctx) -> Result<Done, JobError> {
    if ctx.attempt == 1 {
        return std::future::pending().await;
    }
    ctx.state::<Starts>()?.note(clock::now());
    Ok(Done)
}

pub(super) async fn run() -> anyhow::Result<Outcome> {
    let (mut parent, Order { redis, worker, layered, trail }) = Parent::hear().await?;
    let queues = Queues::new(&redis)?;
    // Connects, so that a release finds everything in place.
    queues.info().await?;
    if !parent.ready().await? {
        return Ok(Outcome::Well);
    }
    let mut handlers = Handlers::default();
    handlers.add(load);
    handlers.add(hang);
    if layered {
        // All that come with millgate, and that let every job through.
        handlers.layer(LoadShed::in_flight(usize::MAX).or_lag(Duration::from_hours(1)));
        handlers.layer(Breaker::new("bench", BreakerConfig::default()));
    }
    let starts = Starts::default();
    let trail = trail.map_or_else(|| Ok(Trail::default()), |trail| trail.start())?;
    let before = spent::processor()?;
    let worker =
        Worker::start(&worker, &queues, Arc::new(handlers), State::new().with(starts.clone()).with(trail.clone()))?;
    tokio::select! {
        () = worker.run(CancellationToken::new()) => anyhow::bail!("the worker ended by itself"),
        end = parent.end() => end?,
    }
    // What is noted is not for nothing.
    trail.close().await;
    let cpu_s = spent::processor()?.saturating_sub(before).as_secs_f64();
    say(&Report { cpu_s, starts: starts.take() })?;
    Ok(Outcome::Well)
}
