//! A job as commands show it.

use chrono::{DateTime, Utc};
use millgate_dashboard::see::SeenJob;
use millgate_jobs::JobState;

use crate::cli::moment::from_now;

/// Longer arguments are cut in a list.
const ARGUMENTS: usize = 60;

/// One line of a list.
pub(super) fn line(SeenJob { queue, job, .. }: &SeenJob, now: DateTime<Utc>) -> String {
    let when = match (job.state, job.at) {
        (JobState::Delayed | JobState::Done, Some(at)) => from_now(at, now),
        _ => from_now(job.enqueued_at, now),
    };
    let cut: String = job.payload.chars().take(ARGUMENTS).collect();
    let more = if cut.len() < job.payload.len() { "…" } else { "" };
    let attempts = format!("{}/{}", job.attempts, job.max_attempts);
    format!("{:<14}  {:<7}  {queue:<10}  {:<24}  {attempts:>5}  {when:<11}  {cut}{more}", job.key, job.state, job.kind)
}
