//! Handing one batch off: jobs into their queues, poison onto the dead-letter topic, then the batch is settled.

use std::{collections::BTreeMap, fmt::Display, sync::Arc, time::Duration};

use chrono::{SecondsFormat, Utc};
use futures::future::join_all;
use millgate_events::{Batch, BatchToken, DeadLetter, DeadLetters, Origin, Record};
use millgate_jobs::{Cancel, NewJob, Queues};
use tracing::{error, warn};

use crate::{BridgeStats, Plan, Poison, Routes};

/// What every hand-off needs.
pub(crate) struct HandOff {
    pub(crate) routes: Arc<Routes>,
    pub(crate) queues: Queues,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) stats: Arc<BridgeStats>,
    pub(crate) group: String,
    pub(crate) topic_prefix: String,
}

/// What goes into one queue, step by step.
#[derive(Default)]
struct Share {
    before: Vec<Step>,
    last: Step,
}

/// Jobs, and then cancels, that go in with one call each.
#[derive(Default)]
struct Step {
    jobs: Vec<NewJob>,
    cancels: Vec<Cancel>,
}

impl Share {
    fn enqueue(&mut self, job: NewJob) {
        let is_of_job = |cancel: &Cancel| cancel.kind == job.kind && Some(cancel.unique.as_str()) == job.unique();
        if self.last.cancels.iter().any(is_of_job) {
            // Enqueued before the cancel, it would find its key held by the very job that is to go.
            self.before.push(std::mem::take(&mut self.last));
        }
        self.last.jobs.push(job);
    }

    fn cancel(&mut self, cancel: Cancel) {
        self.last.cancels.push(cancel);
    }

    fn steps(&self) -> impl Iterator<Item = &Step> {
        self.before.iter().chain([&self.last])
    }
}

/// The partition is another's now.
struct Revoked;

impl HandOff {
    /// Hands a batch off. Only when everything in it is confirmed is it settled; without that it comes again.
    pub(crate) async fn run(&self, batch: Batch) {
        let mut shares: BTreeMap<String, Share> = BTreeMap::new();
        let mut poisoned: Vec<(&Record, Poison)> = Vec::new();
        let mut tombstones = 0;
        let routes = self.routes.table();
        for record in &batch.records {
            let topic = record.topic.strip_prefix(self.topic_prefix.as_str()).unwrap_or(&record.topic);
            match routes.plan(record, topic) {
                Ok(Some(Plan { jobs, cancels })) => {
                    for job in jobs {
                        shares.entry(job.queue.clone()).or_default().enqueue(job);
                    }
                    for (queue, cancel) in cancels {
                        shares.entry(queue).or_default().cancel(cancel);
                    }
                }
                Ok(None) => tombstones += 1,
                Err(poison) => poisoned.push((record, poison)),
            }
        }
        let filled = join_all(shares.iter().map(|(queue, share)| self.fill(queue, share, &batch.token))).await;
        if filled.into_iter().any(|result| result.is_err()) {
            return;
        }
        for (record, poison) in &poisoned {
            if self.bury(record, poison, &batch.token).await.is_err() {
                return;
            }
        }
        let dead = poisoned.len() as u64;
        self.stats.batch(batch.records.len() as u64 - dead, tombstones, dead);
        drop(poisoned);
        batch.token.settle();
    }

    /// Enqueues and cancels in one queue.
    async fn fill(&self, name: &str, share: &Share, token: &BatchToken) -> Result<(), Revoked> {
        let queue = self.queues.queue(name);
        for Step { jobs, cancels } in share.steps() {
            if !jobs.is_empty() {
                let results = persist(token, name, || queue.enqueue(jobs)).await?;
                self.stats.enqueued(&results);
            }
            if !cancels.is_empty() {
                let taken = persist(token, name, || queue.cancel(cancels)).await?;
                self.stats.cancelled(taken);
            }
        }
        Ok(())
    }

    /// Puts a record that cannot become jobs on the dead-letter topic.
    async fn bury(&self, record: &Record, poison: &Poison, token: &BatchToken) -> Result<(), Revoked> {
        let (topic, partition, offset) = (&record.topic, record.partition, record.offset);
        let message = poison.message();
        warn!(%topic, partition, offset, code = poison.code(), reason = message, "event is poison; to the dead-letter topic");
        let now = now();
        let letter = DeadLetter {
            origin: Origin::Event { record, group: &self.group },
            code: poison.code(),
            message: &message,
            first_failed_at: &now,
            failed_at: &now,
        };
        persist(token, "the dead-letter topic", || self.dead_letters.write(&letter)).await.map(drop)
    }
}

/// Tries until it works, or until the partition is another's to care for. Meanwhile the partition fills up and is
/// paused; nothing is skipped.
async fn persist<T, E: Display, F: Future<Output = Result<T, E>>>(
    token: &BatchToken,
    target: &str,
    action: impl Fn() -> F,
) -> Result<T, Revoked> {
    let mut pause = Duration::from_millis(50);
    loop {
        if token.is_revoked() {
            return Err(Revoked);
        }
        match action().await {
            Ok(value) => return Ok(value),
            Err(reason) => error!(into = target, %reason, "cannot hand off; trying on"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(2));
    }
}

/// The time of a death.
#[expect(clippy::disallowed_methods, reason = "a record that is given up is given up now")]
fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)
}
