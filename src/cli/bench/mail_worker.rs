//! `millgate bench mail-worker`: a worker as production runs it, whose jobs are mails.

use std::sync::Arc;

use millgate_jobs::{Queues, RedisConfig};
use millgate_workers::{
    Ctx, Done, Handlers, JobError, SmtpConfig, State, Worker, WorkerConfig,
    email::{Letter, Mailer, Templates, deliver},
};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{
    order::Report,
    parent::{Parent, say},
    spent,
};
use crate::{Job, cli::Outcome};

/// To a worker process that sends mail, first of all.
#[derive(Serialize, Deserialize)]
pub(super) struct MailOrder {
    pub(super) redis: RedisConfig,
    pub(super) worker: WorkerConfig,
    pub(super) smtp: SmtpConfig,
}

/// A welcome, in the queue of a bench.
#[derive(Serialize, Deserialize, Job)]
#[job(queue = "bench")]
pub(super) struct BenchMail {
    pub(super) to: String,
    pub(super) name: String,
}

impl Letter for BenchMail {
    fn to(&self) -> &str {
        &self.to
    }

    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn template(&self) -> &'static str {
        "welcome-email"
    }
}

async fn send(mail: BenchMail, ctx: Ctx) -> Result<Done, JobError> {
    deliver(&mail, &ctx).await
}

pub(super) async fn run() -> anyhow::Result<Outcome> {
    let (mut parent, MailOrder { redis, worker, smtp }) = Parent::hear().await?;
    let queues = Queues::new(&redis)?;
    // Connects, so that a release finds everything in place.
    queues.info().await?;
    let state = State::new().with(Mailer::new(&smtp)?).with(Templates::new(&smtp)?);
    if !parent.ready().await? {
        return Ok(Outcome::Well);
    }
    let mut handlers = Handlers::default();
    handlers.add(send);
    let before = spent::processor()?;
    let worker = Worker::start(&worker, &queues, Arc::new(handlers), state)?;
    tokio::select! {
        () = worker.run(CancellationToken::new()) => anyhow::bail!("the worker ended by itself"),
        end = parent.end() => end?,
    }
    let cpu_s = spent::processor()?.saturating_sub(before).as_secs_f64();
    say(&Report { cpu_s, starts: Vec::new() })?;
    Ok(Outcome::Well)
}
