//! Why a job is not running, in plain words.

use chrono::{DateTime, Utc};
use millgate_jobs::{JobState, JobView, QueueStats};

use crate::cli::moment::{from_now, point};

/// What holds a job back, with what to do about it where something can be done. `handled`: this application has a
/// handler for it.
pub(super) fn why(queue: &str, job: &JobView, stats: &QueueStats, handled: bool, now: DateTime<Utc>) -> String {
    match job.state {
        JobState::Waiting => waiting(queue, job, stats, handled),
        JobState::Delayed => delayed(job, now),
        JobState::Held => {
            let lane = job.lane.as_deref().unwrap_or_default();
            format!("held behind others of its lane `{lane}`; it goes on by itself when they are done")
        }
        JobState::Active if job.stopping => "it runs, and is told to stop".to_owned(),
        JobState::Active => "it runs".to_owned(),
        JobState::Dead => format!(
            "dead; a worker brings it to the dead-letter topic, unless `millgate jobs retry {}` comes first",
            job.key
        ),
        JobState::Done => "it is done, and kept to be looked at".to_owned(),
    }
}

fn delayed(job: &JobView, now: DateTime<Utc>) -> String {
    let Some(at) = job.at else { return "delayed".to_owned() };
    let after = if job.attempts > 0 { ", for its next attempt" } else { "" };
    if at <= now {
        return format!("delayed until {}{after}: it is due, and goes in line when a worker next asks", point(at));
    }
    let (at, ahead) = (point(at), from_now(at, now));
    format!("delayed until {at} ({ahead}){after}; `millgate jobs run-now {}` skips that", job.key)
}

fn waiting(queue: &str, job: &JobView, stats: &QueueStats, handled: bool) -> String {
    let limits = &stats.limits;
    let mut reasons = Vec::new();
    if stats.paused {
        reasons.push(format!("its queue is paused: `millgate queues resume {queue}` ends that"));
    }
    if let Some(most) = limits.concurrency.filter(|most| stats.active >= *most) {
        reasons.push(format!("its queue runs {most} at a time, its limit, and has them: see `millgate queues limit`"));
    }
    if let Some(rate) = limits.rate {
        let per = humantime::format_duration(rate.per);
        reasons.push(format!("its queue starts no more than {} jobs in {per}", rate.jobs));
    }
    if !handled {
        reasons.push(format!("no handler of this application does jobs of kind {}", job.kind));
    }
    if reasons.is_empty() {
        let line = format!("it waits for a worker, among {} jobs", stats.waiting);
        return match stats.active {
            0 => format!("{line}; none runs: is there a worker? `millgate worker --queues {queue}`"),
            active => format!("{line}; {active} run"),
        };
    }
    reasons.join("; ")
}
