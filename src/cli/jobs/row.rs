//! A job as commands show it.

use chrono::{DateTime, Utc};
use millgate_jobs::{JobState, JobView};
use serde_json::Value;

use crate::cli::moment::from_now;

/// Longer arguments are cut in a list.
const ARGUMENTS: usize = 60;

/// One line of a list.
pub(super) fn line(queue: &str, job: &JobView, now: DateTime<Utc>) -> String {
    let when = match (job.state, job.at) {
        (JobState::Delayed | JobState::Done, Some(at)) => from_now(at, now),
        _ => from_now(job.enqueued_at, now),
    };
    let cut: String = job.payload.chars().take(ARGUMENTS).collect();
    let more = if cut.len() < job.payload.len() { "…" } else { "" };
    let attempts = format!("{}/{}", job.attempts, job.max_attempts);
    format!("{:<14}  {:<7}  {queue:<10}  {:<24}  {attempts:>5}  {when:<11}  {cut}{more}", job.key, job.state, job.kind)
}

/// The same for programs: arguments are JSON in JSON.
pub(super) fn json(queue: &str, job: &JobView) -> anyhow::Result<Value> {
    let mut value = serde_json::to_value(job)?;
    if let Some(fields) = value.as_object_mut() {
        fields.remove("payload");
        let arguments = serde_json::from_str(&job.payload).unwrap_or_else(|_| Value::from(job.payload.as_str()));
        fields.insert("arguments".into(), arguments);
        fields.insert("queue".into(), queue.into());
    }
    Ok(value)
}
