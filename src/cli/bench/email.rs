//! `millgate bench email`: how fast mails leave a worker.

use std::fmt;

use millgate_jobs::{JobOptions, NewJob, QueueError};
use millgate_workers::SmtpConfig;
use serde_json::json;

use super::{
    clock::seconds,
    figures::Figures,
    mail_sink::MailSink,
    mail_worker::{BenchMail, MailOrder},
    median::median,
    order::Report,
    process::Process,
    rig::Rig,
};
use crate::{
    cli::{Call, Outcome},
    lifecycle::stop_on_signal,
};

#[derive(clap::Args)]
pub(in crate::cli) struct Args {
    /// The Redis to use, if it is not that of the configuration
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// Mails in one run
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    mails: u32,
    /// Connections to the mail server, at most
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1000))]
    connections: u32,
}

pub(super) async fn run(call: Call, args: Args) -> anyhow::Result<Outcome> {
    if cfg!(debug_assertions) {
        eprintln!("warning: this is a debug build; its figures say nothing about a release build");
    }
    let stop = stop_on_signal()?;
    let mut config = call.configuration.config;
    config.redis.url = args.redis.unwrap_or(config.redis.url);
    let rig = match Rig::open(&config.redis, &config.worker, &config.log.level, (args.mails, 0)).await {
        Ok(rig) => rig,
        Err(error @ QueueError::Url(_)) => return Ok(Outcome::Misunderstood(error.to_string())),
        Err(error) => return Err(error.into()),
    };
    let sink = MailSink::open().await?;
    let mut figures = Figures::default();
    figures.note("mails", json!(args.mails));
    figures.note("pool_size", json!(args.connections));
    let smtp =
        SmtpConfig { url: format!("smtp://{}", sink.address), pool_size: args.connections, ..SmtpConfig::default() };
    let measured = stop.run_until_cancelled(measure(&rig, &sink, &smtp, &mut figures)).await;
    // Whatever came of it: what lies in Redis is of no use to anybody.
    let closed = rig.close().await;
    measured.unwrap_or_else(|| Err(anyhow::anyhow!("interrupted; nothing is left in Redis")))?;
    closed?;
    if call.json {
        println!("{}", figures.to_json());
    } else {
        println!("{} mails with text and HTML, pool of {}\n{figures}", args.mails, args.connections);
    }
    Ok(Outcome::Well)
}

/// One run.
struct Sent {
    per_s: f64,
    cpu_us: f64,
    connections: u64,
}

/// Its rate.
impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.per_s.fmt(f)
    }
}

async fn measure(rig: &Rig, sink: &MailSink, smtp: &SmtpConfig, figures: &mut Figures) -> anyhow::Result<()> {
    let runs = rig.repeat("mails", async || send(rig, sink, smtp).await).await?;
    figures.set("mails_per_s", median(runs.iter().map(|run| run.per_s).collect()));
    figures.set("mail_cpu_us", median(runs.iter().map(|run| run.cpu_us).collect()));
    figures.note("connections", json!(runs.iter().map(|run| run.connections).max()));
    Ok(())
}

/// All mails wait, then a worker process begins: from the first that the server hears of to the last that it takes.
async fn send(rig: &Rig, sink: &MailSink, smtp: &SmtpConfig) -> anyhow::Result<Sent> {
    rig.clear().await?;
    let mail = |n| {
        let mail = BenchMail { to: format!("customer-{n}@mail.example"), name: format!("Customer {n}") };
        NewJob::of(&mail, JobOptions::default())
    };
    let mails: Vec<NewJob> = (0..rig.jobs).map(mail).collect::<Result<_, _>>()?;
    rig.queue.enqueue(&mails).await?;
    sink.forget();
    let order = MailOrder { redis: rig.redis.clone(), worker: rig.worker.clone(), smtp: smtp.clone() };
    let mut worker: Process = rig.process("mail-worker", &order).await?;
    worker.go().await?;
    rig.until_settled().await?;
    let report: Report = worker.report().await?;
    let caught = sink.caught();
    anyhow::ensure!(caught.mails == u64::from(rig.jobs), "{} jobs came to {} mails", rig.jobs, caught.mails);
    let mails = f64::from(rig.jobs);
    Ok(Sent {
        per_s: mails / seconds(caught.first, caught.last),
        cpu_us: report.cpu_s * 1e6 / mails,
        connections: caught.connections,
    })
}
