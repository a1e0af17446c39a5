//! From dead in Redis to the dead-letter topic and the table of dead letters.
//!
//! Dead in Redis first; published with acks from all in-sync replicas; stored; only then dropped from Redis. If one of
//! these cannot be written the job stays, is tried again every few seconds, and each time that is said.

use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use millgate_events::{Attempt, DeadLetter, DeadLetters, Headers, Origin};
use millgate_jobs::{DeadJob, FailureView, Queue, QueueError};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{DeadSteps, metrics};

/// How often the queues are looked at.
const ROUND: Duration = Duration::from_millis(500);
/// A forwarder that dies leaves its jobs to others after so long. Longer than a delivery may take.
const LEASE: Duration = Duration::from_mins(2);
/// What could not be written is tried again after so long.
const PAUSE: Duration = Duration::from_secs(5);
const STEP: usize = 100;
/// How long a letter may still take when everything else has ended.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Brings dead jobs of some queues to the dead letters.
pub struct DeadLetterForwarder {
    /// The queues to look at.
    pub queues: Vec<Queue>,
    /// Where to.
    pub dead_letters: DeadLetters,
    /// Commands of sagas among them are replied to.
    pub steps: Option<DeadSteps>,
}

impl DeadLetterForwarder {
    /// Runs until `stop` fires, and finishes what it is writing, within some seconds.
    pub async fn run(self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(ROUND);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let rounds = async {
            while stop.run_until_cancelled(ticks.tick()).await.is_some() {
                for queue in &self.queues {
                    if let Err(error) = self.round(queue, &stop).await {
                        warn!(queue = queue.name(), %error, "dead jobs cannot be looked at; trying on");
                    }
                }
            }
        };
        // A Kafka that is away must not keep a worker from ending. What is cut off may be written twice.
        let cut_off = async {
            stop.cancelled().await;
            tokio::time::sleep(LAST_WORDS).await;
        };
        tokio::select! {
            () = rounds => {}
            () = cut_off => warn!("dead jobs could not be written before the end; they stay in Redis"),
        }
    }

    async fn round(&self, queue: &Queue, stop: &CancellationToken) -> Result<(), QueueError> {
        while !stop.is_cancelled() {
            let jobs = queue.claim_dead(STEP, LEASE).await?;
            if jobs.is_empty() {
                return Ok(());
            }
            let written = join_all(jobs.iter().map(|job| self.write(queue.name(), job))).await;
            let (safe, kept): (Vec<_>, Vec<_>) = jobs.into_iter().zip(written).partition(|(_, safe)| *safe);
            let ids = |jobs: Vec<(DeadJob, bool)>| jobs.into_iter().map(|(job, _)| job.key).collect::<Vec<_>>();
            let (safe, kept) = (ids(safe), ids(kept));
            metrics().unwritable(queue.name(), kept.len());
            if !safe.is_empty() {
                queue.remove(&safe).await?;
                info!(queue = queue.name(), jobs = safe.len(), "dead jobs are with the dead letters");
            }
            if !kept.is_empty() {
                return queue.keep_dead(&kept, PAUSE).await;
            }
        }
        Ok(())
    }

    async fn write(&self, queue: &str, job: &DeadJob) -> bool {
        if let Some(steps) = &self.steps
            && let Err(error) = steps.reply(&job.kind, &job.payload, &job.failure).await
        {
            error!(
                queue,
                job = job.id,
                ?error,
                "the saga of a dead command cannot be told; it stays in Redis, and is tried again"
            );
            return false;
        }
        let letter = DeadLetter {
            origin: Origin::Job {
                id: &job.id,
                key: job.key.as_str(),
                kind: &job.kind,
                queue,
                head: &job.head,
                payload: Bytes::copy_from_slice(job.payload.as_bytes()),
                attempts: job.attempts,
                redrives: job.redrives,
                headers: origin_headers(job),
            },
            code: &job.failure.code,
            message: &job.failure.message,
            first_failed_at: job.first_failed_at,
            failed_at: job.failed_at,
            failures: job.failures.iter().map(attempt).collect(),
        };
        match self.dead_letters.write(&letter).await {
            Ok(()) => true,
            Err(error) => {
                error!(queue, job = job.id, %error, "dead job cannot be put with the dead letters; it stays in Redis, and is tried again");
                false
            }
        }
    }
}

/// The way back to the job's event.
fn origin_headers(job: &DeadJob) -> Headers {
    let mut headers = Headers::new();
    if let Some(origin) = &job.origin {
        headers.push("x-dlq-event-id", origin.event_id.clone());
        headers.push("x-dlq-event-source", origin.event_source.clone());
        headers.push("x-dlq-event-type", origin.event_type.clone());
        headers.push("x-dlq-event-record", origin.record.clone());
        headers.push("ce_correlationid", origin.correlation_id.clone());
        headers.push_some("traceparent", origin.traceparent.as_deref());
        headers.push_some("tracestate", origin.tracestate.as_deref());
        headers.push_some("baggage", origin.baggage.as_deref());
    }
    headers
}

fn attempt(failure: &FailureView) -> Attempt {
    let FailureView { at, attempt, code, message } = failure.clone();
    Attempt { at, attempt, code, message }
}
