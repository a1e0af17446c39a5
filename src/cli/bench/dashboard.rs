//! `millgate bench dashboard`: how long a page takes with a queue that is deep and another that moves, and what viewers cost
//! Redis.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use millgate_dashboard::web;
use millgate_jobs::{JobOptions, JobState, NewJob, QueueError};
use millgate_workers::{Ctx, Done, JobError};
use reqwest::{Client, header::ACCEPT};
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};
use tokio::{net::TcpListener, time::sleep};
use tokio_util::task::AbortOnDropHandle;

use super::{
    clock,
    figures::{Figures, rounded},
    load::Load,
    median::Percentiles,
    rig::Rig,
};
use crate::{
    App, Job,
    cli::{Call, Outcome},
    config::{Config, PostgresConfig},
    lifecycle::stop_on_signal,
    servers::Servers,
};

/// Requests of one page.
const REQUESTS: u32 = 30;
/// Jobs a second that run meanwhile,
const PASSING: u32 = 1_000;
/// of which so many are put in at a time.
const LOT: u32 = 50;
/// For so long it is looked what viewers cost.
const WATCHED: Duration = Duration::from_secs(20);
/// Jobs enqueued in one call.
const SLICE: u32 = 10_000;

/// What people keep open.
const OPEN: [&str; 5] = ["/", "/queues", "/jobs?queue=deep&state=waiting", "/queues/deep", "/workers"];

#[derive(clap::Args)]
pub(in crate::cli) struct Args {
    /// The Redis to use, if it is not that of the configuration
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// Jobs that wait, are delayed, or can be found by a field
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1_000..=100_000_000))]
    jobs: u32,
}

/// A job of the deep queue. Nobody works on it.
#[derive(Serialize, Deserialize, Job)]
#[job(queue = "deep", index = "customer")]
struct Found {
    customer: u32,
    note: String,
}

/// The same without anything to be found by: these lie in blocks, as most jobs do.
#[derive(Serialize, Deserialize, Job)]
#[job(queue = "deep")]
struct Deep {
    customer: u32,
    note: String,
}

async fn found(_: Found, _: Ctx) -> Result<Done, JobError> {
    Ok(Done)
}

async fn deep(_: Deep, _: Ctx) -> Result<Done, JobError> {
    Ok(Done)
}

async fn load(_: Load, _: Ctx) -> Result<Done, JobError> {
    Ok(Done)
}

pub(super) async fn run(call: Call, args: Args) -> anyhow::Result<Outcome> {
    if cfg!(debug_assertions) {
        eprintln!("warning: this is a debug build; its figures say nothing about a release build");
    }
    let stop = stop_on_signal()?;
    let mut config = call.configuration.config;
    config.redis.url = args.redis.unwrap_or(config.redis.url);
    let rig = match Rig::open(&config.redis, &config.worker, &config.log.level, (args.jobs, 200)).await {
        Ok(rig) => rig,
        Err(error @ QueueError::Url(_)) => return Ok(Outcome::Misunderstood(error.to_string())),
        Err(error) => return Err(error.into()),
    };
    let app = App::new("bench").worker(deep).worker(found).worker(load);
    let servers =
        Servers::new(app, Config { redis: rig.redis.clone(), postgres: PostgresConfig::default(), ..config })?;
    let mut figures = Figures::default();
    figures.note("jobs", json!(args.jobs));
    figures.note("passing_per_s", json!(PASSING));
    let measured = stop.run_until_cancelled(measure(&rig, &servers, &mut figures)).await;
    // Whatever came of it: what lies in Redis is of no use to anybody.
    let emptied = servers.queues.queue(Deep::QUEUE).obliterate().await;
    let closed = rig.close().await;
    measured.unwrap_or_else(|| Err(anyhow::anyhow!("interrupted; nothing is left in Redis")))?;
    emptied.and(closed)?;
    if call.json {
        println!("{}", figures.to_json());
    } else {
        println!("{} jobs in Redis, {PASSING} jobs/s running\n{figures}", args.jobs);
    }
    Ok(Outcome::Well)
}

async fn measure(rig: &Rig, servers: &Servers, figures: &mut Figures) -> anyhow::Result<()> {
    eprintln!("{} jobs …", rig.jobs);
    fill(rig, servers).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let router = web::router(servers.site(), &servers.config.dashboard);
    let _serving = AbortOnDropHandle::new(tokio::spawn(async move { axum::serve(listener, router).await }));

    let mut worker = rig.worker_processes(1).await?.pop().ok_or_else(|| anyhow::anyhow!("one was started"))?;
    worker.go().await?;
    let passing = AbortOnDropHandle::new(tokio::spawn(pass(rig.queue.clone())));
    pages(servers, address, figures).await?;
    drop(passing);
    worker.kill().await?;

    let idle = share(rig, WATCHED).await?;
    for viewers in [1, 3, 10] {
        eprintln!("{viewers} viewers …");
        let _watching: Vec<_> = (0..viewers).map(|viewer| watch(address, OPEN[viewer % OPEN.len()])).collect();
        // The first look of each is not what it costs to stay.
        sleep(Duration::from_secs(2)).await;
        let cost = share(rig, WATCHED).await? - idle;
        figures.set(&format!("redis_percent_{viewers}_viewers"), cost.max(0.0) * 100.0);
    }
    Ok(())
}

/// Most of the jobs wait, some are delayed, some have a field that they are found by.
async fn fill(rig: &Rig, servers: &Servers) -> anyhow::Result<()> {
    let queue = servers.queues.queue(Deep::QUEUE);
    let note =
        "a note of some length, as jobs have them: who wants it, for what, and where it is to go in the end".to_owned();
    let mut made = 0;
    while made < rig.jobs {
        let many = SLICE.min(rig.jobs - made);
        let job = |n: u32| match n % 20 {
            0 => NewJob::of(&Found { customer: n, note: note.clone() }, JobOptions::default()),
            1..4 => NewJob::of(
                &Deep { customer: n, note: note.clone() },
                JobOptions { delay: Some(Duration::from_hours(1)), ..JobOptions::default() },
            ),
            _ => NewJob::of(&Deep { customer: n, note: note.clone() }, JobOptions::default()),
        };
        // One kind after the other: neighbours of a kind share a block.
        let mut jobs: Vec<NewJob> = (made..made + many).map(job).collect::<Result<_, _>>()?;
        jobs.sort_by_key(|job| (job.kind.clone(), job.run_at()));
        queue.enqueue(&jobs).await?;
        made += many;
    }
    Ok(())
}

/// Jobs that come and are done meanwhile.
async fn pass(queue: millgate_jobs::Queue) -> Result<(), QueueError> {
    let mut tick = tokio::time::interval(Duration::from_secs(1) * LOT / PASSING);
    loop {
        tick.tick().await;
        let jobs =
            (0..LOT).map(|_| Load::enqueued(clock::now(), Duration::ZERO, 200)).collect::<Result<Vec<_>, _>>()?;
        queue.enqueue(&jobs).await?;
    }
}

/// Asks for every page so often that nothing is answered from what was looked at before.
async fn pages(servers: &Servers, address: SocketAddr, figures: &mut Figures) -> anyhow::Result<()> {
    let deep = servers.queues.queue(Deep::QUEUE);
    let some = deep.page(JobState::Delayed, None, 1, None).await?.ids.pop();
    let some = some.ok_or_else(|| anyhow::anyhow!("no job is delayed, though some were made"))?;
    let paths = [
        "/".to_owned(),
        "/queues".to_owned(),
        "/queues/deep".to_owned(),
        "/jobs".to_owned(),
        "/jobs?queue=deep&state=waiting".to_owned(),
        "/jobs?queue=deep&state=delayed&kind=deep".to_owned(),
        "/jobs?queue=deep&where=customer%3D100".to_owned(),
        format!("/jobs/deep/{some}"),
        "/workers".to_owned(),
        "/schedules".to_owned(),
        "/routes".to_owned(),
        "/audit".to_owned(),
    ];
    let client = Client::new();
    let (mut by_page, mut worst) = (Map::new(), 0.0f64);
    for path in paths {
        let mut times = Vec::new();
        for n in 0..REQUESTS {
            let sign = if path.contains('?') { '&' } else { '?' };
            let started = Instant::now();
            let answer = client.get(format!("http://{address}{path}{sign}fresh={n}")).send().await?;
            let status = answer.status();
            answer.bytes().await?;
            anyhow::ensure!(status.is_success(), "{path}: {status}");
            times.push(started.elapsed().as_secs_f64() * 1e3);
        }
        let Percentiles { p50, p95, p99 } = Percentiles::of(times);
        worst = worst.max(p95);
        eprintln!("  {path}: p50 {p50:.1} ms, p95 {p95:.1} ms");
        by_page.insert(path, json!({ "p50": rounded(p50), "p95": rounded(p95), "p99": rounded(p99) }));
    }
    figures.note("page_ms", by_page.into());
    figures.set("slowest_page_p95_ms", worst);
    Ok(())
}

/// The share of one processor that Redis takes meanwhile.
async fn share(rig: &Rig, time: Duration) -> anyhow::Result<f64> {
    let (before, started) = (rig.server.spent().await?.cpu, Instant::now());
    sleep(time).await;
    let spent = rig.server.spent().await?.cpu.saturating_sub(before);
    Ok(spent.as_secs_f64() / started.elapsed().as_secs_f64())
}

/// Somebody who has a page open.
fn watch(address: SocketAddr, path: &str) -> AbortOnDropHandle<()> {
    let url = format!("http://{address}{path}");
    AbortOnDropHandle::new(tokio::spawn(async move {
        let Ok(mut answer) = Client::new().get(url).header(ACCEPT, "text/event-stream").send().await else { return };
        while let Ok(Some(_)) = answer.chunk().await {}
    }))
}
