//! `millgate bench queue-worker`: a worker as production runs it, with handlers that note when jobs start.

use std::{
    io::Write,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context;
use millgate_jobs::Queues;
use millgate_workers::{Ctx, Done, Handlers, JobError, State, Worker};
use serde::Serialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio_util::sync::CancellationToken;

use super::{
    clock,
    load::{Hang, Load},
    order::{Order, Ready, Report, Start},
};
use crate::cli::Outcome;

/// Kernel ticks in a second, in what Linux tells programs; the same on every architecture.
const TICKS: f64 = 100.0;

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
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let order = lines.next_line().await?.context("`bench queue` starts this, and tells it what to do")?;
    let Order { redis, worker } = serde_json::from_str(&order)?;
    let queues = Queues::new(&redis)?;
    // Connects, so that a release finds everything in place.
    queues.info().await?;
    say(&Ready { ready: true })?;
    if lines.next_line().await?.is_none() {
        return Ok(Outcome::Well);
    }
    let mut handlers = Handlers::default();
    handlers.add(load);
    handlers.add(hang);
    let starts = Starts::default();
    let before = cpu_seconds()?;
    let worker = Worker::start(&worker, &queues, Arc::new(handlers), State::new().with(starts.clone()))?;
    tokio::select! {
        () = worker.run(CancellationToken::new()) => anyhow::bail!("the worker ended by itself"),
        end = lines.next_line() => anyhow::ensure!(end?.is_none(), "there is no third line"),
    }
    let cpu_s = cpu_seconds()? - before;
    say(&Report { cpu_s, starts: starts.take() })?;
    Ok(Outcome::Well)
}

fn say(line: &impl Serialize) -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    serde_json::to_writer(&mut output, line)?;
    output.write_all(b"\n")?;
    Ok(output.flush()?)
}

/// Processor time of this process so far, all threads, user and system (`man 5 proc_pid_stat`).
fn cpu_seconds() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("processor time is read from Linux's /proc")?;
    // The second field, in brackets, is the program's name and may hold anything.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    // After the name: utime and stime are the 12th and 13th.
    let ticks = fields.skip(11).take(2).map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    Ok(ticks / TICKS)
}
