//! What it costs to run a job that does nothing: from a claim in memory to a verdict in memory, without Redis.
//!
//! `cargo bench -p millgate-workers --bench service` prints nanoseconds of processor time a job: for the service alone,
//! and with the layers of apalis around it, on one thread and more. Time on the processor and not on the clock, as others
//! may be at work on the machine; of several rounds the median, and the least.

#![allow(clippy::unwrap_used, reason = "in a benchmark, a panic with a line number is the report")]

extern crate millgate_jobs as millgate;

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use apalis_core::{
    backend::{Backend, BackendConfig, finalize::Ephemeral},
    error::BoxDynError,
    task::{ExecutionContext, Task, builder::TaskBuilder, task_id::TaskId},
    worker::{
        builder::WorkerBuilder,
        context::WorkerContext,
        ext::ack::{Acknowledge, AcknowledgeLayer},
    },
};
use chrono::DateTime;
use futures::{
    StreamExt,
    future::{Ready, ready},
    stream::{self, FuturesUnordered},
    task::AtomicWaker,
};
use millgate_derive::Job;
use millgate_jobs::{Claimed, Job, JobOptions, NewJob, Queues, RedisConfig, Verdict};
use millgate_workers::{Ctx, Done, Handlers, JobError, JobService, State, WorkerConfig};
use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Runtime};
use tower::Service;

/// Jobs in hand at a time, as many as the fetcher claims at once.
const IN_HAND: usize = 250;
/// Few enough to stay in the processor's cache, as a claim does that has just been read.
const JOBS: usize = 2_000;
const ROUNDS: usize = 101;

#[derive(Serialize, Deserialize, Job)]
#[job(queue = "bench")]
struct Trivial {
    n: u64,
}

async fn nothing(job: Trivial, _: Ctx) -> Result<Done, JobError> {
    std::hint::black_box(job.n);
    Ok(Done)
}

/// A handler that has to wait once.
#[derive(Serialize, Deserialize, Job)]
#[job(queue = "bench")]
struct Yielding {
    n: u64,
}

async fn once(job: Yielding, _: Ctx) -> Result<Done, JobError> {
    tokio::task::yield_now().await;
    std::hint::black_box(job.n);
    Ok(Done)
}

fn main() {
    let current = || Builder::new_current_thread().enable_all().build().unwrap();
    let threads = |count| Builder::new_multi_thread().worker_threads(count).enable_all().build().unwrap();
    for kind in [Trivial::KIND, Yielding::KIND] {
        for (name, runtime) in [("one thread", current()), ("one worker", threads(1)), ("two workers", threads(2))] {
            let (alone, layered) = (measure(|| alone(&runtime, kind)), measure(|| layered(&runtime, kind)));
            println!("{kind:10} {name:12} service {alone:13}  with layers {layered:13}");
        }
    }
}

/// Nanoseconds a job: the median of some rounds, and the least.
fn measure(mut round: impl FnMut() -> Duration) -> String {
    let mut rounds: Vec<u128> = (0..ROUNDS).map(|_| round().as_nanos() / JOBS as u128).collect();
    rounds.sort_unstable();
    format!("{} ({})", rounds[ROUNDS / 2], rounds[0])
}

/// Time that this process has spent on processors: of all its threads, which stay as long as their runtime does.
fn spent() -> Duration {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let nanos = threads.map(|thread| {
        // proc(5): nanoseconds on a processor, waiting for one, time slices.
        let text = std::fs::read_to_string(thread.unwrap().path().join("schedstat")).unwrap();
        text.split(' ').next().unwrap().parse::<u64>().unwrap()
    });
    Duration::from_nanos(nanos.sum())
}

fn service() -> JobService {
    let mut handlers = Handlers::default();
    handlers.add::<Trivial>(nothing);
    handlers.add::<Yielding>(once);
    // Nobody connects to it.
    let queue = Queues::new(&RedisConfig::default()).unwrap().queue(Trivial::QUEUE);
    JobService::new(&handlers, State::new(), &WorkerConfig::default(), queue)
}

fn claimed(kind: &'static str) -> Vec<Claimed> {
    let jobs = (0..JOBS).map(|n| {
        let job = NewJob::of(&Trivial { n: n as u64 }, JobOptions::default()).unwrap();
        let mut claimed = Claimed::for_test(&job, &n.to_string(), 1, DateTime::UNIX_EPOCH);
        // Both kinds have the same arguments.
        claimed.kind = kind.into();
        claimed
    });
    jobs.collect()
}

/// In a task of its own, as a worker is.
fn timed(runtime: &Runtime, work: impl Future<Output = usize> + Send + 'static) -> Duration {
    let before = spent();
    let done = runtime.block_on(async { tokio::spawn(work).await.unwrap() });
    let took = spent().saturating_sub(before);
    assert_eq!(done, JOBS);
    took
}

fn alone(runtime: &Runtime, kind: &'static str) -> Duration {
    let jobs = claimed(kind);
    timed(runtime, async move {
        let mut service = service();
        let mut running = FuturesUnordered::new();
        let mut done = 0;
        let mut jobs = jobs.into_iter();
        loop {
            while running.len() < IN_HAND
                && let Some(job) = jobs.next()
            {
                running.push(service.call(TaskBuilder::new(job).build()));
            }
            match running.next().await {
                Some(verdict) => done += usize::from(verdict == Ok(Verdict::Done)),
                None => return done,
            }
        }
    })
}

fn layered(runtime: &Runtime, kind: &'static str) -> Duration {
    let backend = Memory { jobs: stream::iter(claimed(kind).into_iter().enumerate()), books: Arc::default() };
    let books = backend.books.clone();
    let worker = async move {
        let _ = WorkerBuilder::new("bench").backend(backend).build(service()).run().await;
        books.done.load(Relaxed)
    };
    timed(runtime, worker)
}

/// A backend that has all its jobs in memory.
struct Memory {
    jobs: stream::Iter<std::iter::Enumerate<std::vec::IntoIter<Claimed>>>,
    books: Arc<Books>,
}

#[derive(Default)]
struct Books {
    taken: AtomicUsize,
    done: AtomicUsize,
    free: AtomicWaker,
}

impl Backend for Memory {
    type Task = Task<Claimed>;
    type Error = Infallible;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Option<Result<Task<Claimed>, Infallible>>> {
        self.books.free.register(cx.waker());
        if self.books.taken.load(Relaxed) - self.books.done.load(Relaxed) >= IN_HAND {
            return Poll::Pending;
        }
        self.jobs.poll_next_unpin(cx).map(|job| {
            let (number, job) = job?;
            self.books.taken.fetch_add(1, Relaxed);
            Some(Ok(TaskBuilder::new(job).task_id(TaskId::Int(number as u64)).build()))
        })
    }

    fn poll_close(&mut self, _: &mut Context<'_>, worker: &WorkerContext) -> Poll<Result<(), Infallible>> {
        let _ = worker.stop();
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for Memory {
    type Args = Claimed;
    type Id = String;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = AcknowledgeLayer<Count>;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Self::Layer {
        AcknowledgeLayer::new(Count(self.books.clone()))
    }
}

#[derive(Clone)]
struct Count(Arc<Books>);

impl Acknowledge<Verdict> for Count {
    type Error = Infallible;
    type Future = Ready<Result<(), Infallible>>;

    fn ack(&mut self, result: &Result<Verdict, BoxDynError>, _: &ExecutionContext) -> Self::Future {
        assert!(matches!(result, Ok(Verdict::Done)));
        self.0.done.fetch_add(1, Relaxed);
        self.0.free.wake();
        ready(Ok(()))
    }
}
