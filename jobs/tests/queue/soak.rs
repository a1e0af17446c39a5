//! Workers under a steady load that are killed again and again, as processes: nothing is lost, and what was settled
//! does not run again.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use millgate_jobs::{Job, JobOptions, NewJob, Queue, Queues, RedisConfig};
use millgate_testkit::{Binary, Child};
use rand::{RngExt, SeedableRng, rngs::SmallRng};

use crate::{
    bench::{Bench, SOON, Work, job},
    worker::{Settings, Worker},
};

const WORKERS: usize = 3;
const SETTINGS: Settings = Settings { concurrency: 4, lease: Duration::from_secs(2) };
/// How long a job takes. Three workers could do 600 a second.
const WORK: Duration = Duration::from_millis(20);
/// So many come each [`TICK`]: 250 a second.
const JOBS_A_TICK: usize = 25;
const TICK: Duration = Duration::from_millis(100);

const URL: &str = "MILLGATE_SOAK_URL";
const PREFIX: &str = "MILLGATE_SOAK_PREFIX";

#[tokio::test]
async fn workers_that_are_killed_every_second_lose_nothing() {
    soak(Duration::from_secs(8), Duration::from_secs(1)).await;
}

/// `MILLGATE_SOAK_SECONDS` says for how long.
#[tokio::test]
#[ignore = "it takes ten minutes"]
async fn workers_that_are_killed_for_long_lose_nothing() {
    let seconds = std::env::var("MILLGATE_SOAK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(600);
    soak(Duration::from_secs(seconds), Duration::from_secs(5)).await;
}

/// A process of the soak's: this very program, told to run this test.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it is a worker that the soak starts and kills"]
async fn a_worker_to_be_killed() {
    let (Ok(url), Ok(prefix)) = (std::env::var(URL), std::env::var(PREFIX)) else { return };
    let queues = Queues::new(&RedisConfig { url, prefix, ..RedisConfig::default() }).unwrap();
    let mut worker = Worker::start(&queues.queue(Work::QUEUE), SETTINGS);
    loop {
        let run = worker.next().await;
        println!("runs {} {}", run.n(), run.job.attempt);
        tokio::spawn(async move {
            tokio::time::sleep(WORK).await;
            run.done();
        });
    }
}

fn start(bench: &Bench) -> Child {
    let config = bench.redis().config();
    let program = Binary::new(std::env::current_exe().unwrap()).env(URL, config.url).env(PREFIX, config.prefix);
    program.args(["--exact", "soak::a_worker_to_be_killed", "--ignored", "--nocapture"]).spawn()
}

/// Jobs of all kinds: most are plain.
fn some_jobs(from: usize, random: &mut SmallRng) -> Vec<NewJob> {
    // A job may be cut off by every kill, and shall live through them all.
    let options = |n| JobOptions::default().max_attempts(1_000).priority(if n % 3 == 0 { 4 } else { 5 });
    let any = |n| match random.random_range(0..10) {
        0 => options(n).ordered_by(n % 20),
        1 => options(n).at_most(3, n % 4),
        2 => options(n).unique(n),
        3 => options(n).tenant(n % 3, 1).index("n", n),
        4 => options(n).run_at(crate::bench::at(0)),
        _ => options(n),
    };
    let options: Vec<_> = (from..from + JOBS_A_TICK).map(any).collect();
    options.into_iter().zip(from..).map(|(options, n)| job(n, options)).collect()
}

/// Counts the runs that a worker began, by job.
async fn count_runs(worker: &Child, runs: &mut HashMap<usize, usize>) {
    worker.kill9();
    worker.wait_exit(SOON).await;
    for line in worker.output().lines() {
        let Some((_, run)) = line.split_once("runs ") else { continue };
        // The last line may be cut off.
        if let Some(Ok(n)) = run.split_once(' ').map(|(n, _)| n.parse()) {
            *runs.entry(n).or_default() += 1;
        }
    }
}

async fn soak(time: Duration, pause: Duration) {
    let bench = Bench::new();
    let queue: &Queue = &bench.queue;
    let mut random = SmallRng::seed_from_u64(1);
    let mut workers: Vec<_> = (0..WORKERS).map(|_| start(&bench)).collect();
    let mut runs = HashMap::new();
    let (begun, mut jobs, mut kills) = (Instant::now(), 0, 0);
    let mut tick = tokio::time::interval(TICK);
    while begun.elapsed() < time {
        tick.tick().await;
        queue.enqueue(&some_jobs(jobs, &mut random)).await.unwrap();
        jobs += JOBS_A_TICK;
        if begun.elapsed() > pause * (kills + 1) {
            let killed = std::mem::replace(&mut workers[kills as usize % WORKERS], start(&bench));
            count_runs(&killed, &mut runs).await;
            kills += 1;
            assert_eq!(queue.check().await.unwrap(), Vec::<String>::new());
        }
    }
    bench.until("all are done", |stats| stats.done() >= jobs as u64).await;
    for worker in &workers {
        count_runs(worker, &mut runs).await;
    }
    let stats = bench.check().await;
    assert_eq!((stats.enqueued(), stats.done(), stats.active), (jobs as u64, jobs as u64, 0));
    assert_eq!(runs.len(), jobs, "each ran");
    // One that ran again was cut off; had it been settled it would be done twice.
    let again = runs.values().map(|runs| runs - 1).sum::<usize>() as u64;
    let rescued = stats.kinds["work"].rescued;
    assert!(again <= rescued, "{again} ran again, and {rescued} were cut off");
    assert!(rescued > 0, "{kills} kills came while jobs were in hand");
}
