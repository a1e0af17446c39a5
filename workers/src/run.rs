//! One run of one job, watched from outside: from its beginning to a verdict.

use std::{any::Any, time::Duration};

use millgate_events::SPANS;
use millgate_jobs::{Backoff, Claimed, ErrorCode, Verdict};
use tokio::task::JoinError;
use tracing::{debug, error, info, warn};

use crate::{Done, JobError, error_class::ErrorClasses, gathering::Place};

/// What a run may do, beside its job's own limits.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    /// How long to wait before a job runs again that failed.
    pub(crate) backoff: Backoff,
    /// How long a run may still go on when its job was stopped.
    pub(crate) grace: Duration,
    /// What the application says of error codes.
    pub(crate) classes: ErrorClasses,
}

/// Waits for the handler's answer, for as long as the job may take and is wanted.
///
/// Dropped, `outcome` has to end the handler.
pub(crate) async fn watch(
    job: Claimed,
    terms: Terms,
    outcome: impl Future<Output = Result<Result<Done, JobError>, JoinError>>,
) -> Verdict {
    tokio::pin!(outcome);
    let answer = tokio::select! {
        biased;
        answer = &mut outcome => answer,
        () = job.lost.cancelled() => {
            if !job.is_cancelled() {
                return lease_lost();
            }
            let Ok(answer) = tokio::time::timeout(terms.grace, outcome).await else {
                info!("cancelled while it ran; it did not end by itself within {:?}", terms.grace);
                return cancelled();
            };
            answer
        }
        () = tokio::time::sleep(job.timeout) => {
            // What the handler left running elsewhere is to end, too.
            job.lost.cancel();
            let message = format!("not done within {:?}", job.timeout);
            Ok(Err(JobError::of(ErrorCode::Timeout, message)))
        }
    };
    let answer = answer.map_err(|ended| ended.try_into_panic().unwrap_or_else(|ended| Box::new(ended.to_string())));
    finish(&job, &terms, answer)
}

/// The verdict on a run that ended: with an answer, or with a panic.
pub(crate) fn finish(
    job: &Claimed,
    terms: &Terms,
    answer: Result<Result<Done, JobError>, Box<dyn Any + Send>>,
) -> Verdict {
    match answer {
        Ok(Ok(Done)) => {
            debug!("done");
            Verdict::Done
        }
        Ok(Err(error)) => judge(job, terms, error),
        Err(panic) => judge(job, terms, JobError::of(ErrorCode::Panic, text_of(panic.as_ref()))),
    }
}

/// The same for a job that first has to wait for its batch.
pub(crate) async fn watch_in_batch(job: Claimed, terms: Terms, place: Place) -> Verdict {
    let Place { begun, answer } = place;
    tokio::select! {
        _ = begun => {}
        // Nobody has begun with it: no grace is needed.
        () = job.lost.cancelled() => return if job.is_cancelled() { cancelled() } else { lease_lost() },
    }
    let outcome = async {
        match answer.await {
            Ok(answer) => Ok(answer),
            // The runtime ends, and the worker with it.
            Err(_) => std::future::pending().await,
        }
    };
    watch(job, terms, outcome).await
}

fn lease_lost() -> Verdict {
    warn!("the lease is lost; another worker has the job, this run ends");
    Verdict::HandBack { after: Duration::ZERO }
}

fn cancelled() -> Verdict {
    Verdict::Cancel { reason: "cancelled while it ran".into() }
}

fn judge(job: &Claimed, terms: &Terms, error: JobError) -> Verdict {
    let error = terms.classes.apply(error);
    if let JobError::Retry { failure, .. } | JobError::Dead { failure } = &error {
        error!(target: SPANS, error = %failure);
    }
    match error {
        JobError::Retry { failure, .. } if job.is_cancelled() => {
            info!(%failure, "cancelled while it ran");
            cancelled()
        }
        JobError::Retry { after, failure } if job.attempt >= job.max_attempts => {
            warn!(%failure, ?after, "failed at the last attempt; dead");
            Verdict::Dead { failure }
        }
        JobError::Retry { after, failure } => {
            let after = after.unwrap_or_else(|| terms.backoff.pause(job.attempt, &mut rand::rng()));
            info!(%failure, ?after, "failed; will be tried again");
            Verdict::Retry { after, failure }
        }
        JobError::Snooze { after } => Verdict::Snooze { after },
        JobError::HandBack { after } => Verdict::HandBack { after },
        JobError::Cancel { reason } => {
            info!(reason, "cancelled");
            Verdict::Cancel { reason }
        }
        JobError::Dead { failure } => {
            warn!(%failure, "dead");
            Verdict::Dead { failure }
        }
    }
}

/// What a task that ended without an answer has said last.
pub(crate) fn panic_message(ended: JoinError) -> String {
    match ended.try_into_panic() {
        Ok(panic) => text_of(panic.as_ref()),
        Err(ended) => ended.to_string(),
    }
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().map(str::to_owned);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
