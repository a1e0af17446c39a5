//! What the trail is told of a run. Nothing waits for it.

use millgate_events::{RunEnd, RunStart};
use millgate_jobs::{Claimed, Verdict};

/// A job's run, as it begins.
pub(crate) fn start(job: &Claimed) -> RunStart {
    let origin = job.origin.as_ref();
    RunStart {
        queue: job.queue.clone(),
        kind: job.kind.clone(),
        job_id: job.id.clone(),
        job_key: job.key().to_string(),
        attempt: job.attempt,
        event_id: origin.map(|origin| origin.event_id.clone()),
        correlation_id: origin.map(|origin| origin.correlation_id.clone()),
    }
}

/// How it ended.
pub(crate) fn end(verdict: &Verdict) -> RunEnd<'_> {
    let well = |verdict| RunEnd { verdict, failure: None, is_failure: false };
    match verdict {
        Verdict::Done => well("done"),
        Verdict::Snooze { .. } => well("snoozed"),
        Verdict::HandBack { .. } => well("handed-back"),
        Verdict::Cancel { reason } => RunEnd { failure: Some(("cancelled", reason)), ..well("cancelled") },
        Verdict::Retry { failure, .. } => failed("retry", failure),
        Verdict::Dead { failure } => failed("dead", failure),
    }
}

fn failed<'a>(verdict: &'static str, failure: &'a millgate_jobs::Failure) -> RunEnd<'a> {
    RunEnd { verdict, failure: Some((&failure.code, &failure.message)), is_failure: true }
}
