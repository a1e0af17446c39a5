//! Why a job is not running, in plain words.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use millgate_jobs::{JobId, JobState, JobView, Queue, QueueError, QueueStats};
use serde::Serialize;

use super::moment::{from_now, point};

/// What keeps a job from running, with what to do about it where something can be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// In words.
    pub text: String,
    /// The job that it waits for, if it is known which.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behind: Option<JobId>,
}

/// Who knows which kinds of jobs, with the newest version that they know.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// This application, by its code.
    pub here: &'a BTreeMap<String, u32>,
    /// The workers of the job's queue that are alive, if that is known.
    pub alive: Option<&'a BTreeMap<String, u32>>,
}

impl From<String> for Reason {
    fn from(text: String) -> Self {
        Self { text, behind: None }
    }
}

/// What keeps a job from running: at least one reason, or that it runs.
pub(super) async fn why(
    queue: &Queue,
    job: &JobView,
    stats: &QueueStats,
    known: &Known<'_>,
    now: DateTime<Utc>,
) -> Result<Vec<Reason>, QueueError> {
    Ok(match job.state {
        JobState::Waiting => waiting(queue.name(), job, stats, known),
        JobState::Held => vec![held(queue, job).await?],
        JobState::Delayed => vec![delayed(job, now).into()],
        JobState::Active if job.stopping => vec!["it runs, and is told to stop".to_owned().into()],
        JobState::Active => vec!["it runs".to_owned().into()],
        JobState::Dead => vec![
            format!(
                "dead; a worker brings it to the dead-letter topic, unless `millgate jobs retry {}` comes first",
                job.key
            )
            .into(),
        ],
        JobState::Done => vec!["it is done, and kept to be looked at".to_owned().into()],
    })
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

async fn held(queue: &Queue, job: &JobView) -> Result<Reason, QueueError> {
    let lane = job.lane.as_deref().unwrap_or_default();
    let place = queue.place_in_lane(lane, job.key).await?;
    let begin = format!("held behind others of its lane `{lane}`");
    let end = "it goes on by itself when they are done";
    if let Some(behind) = place.behind {
        let text = format!("{begin}: {} wait in front of it, job {behind} just before it; {end}", place.ahead);
        return Ok(Reason { text, behind: Some(behind) });
    }
    Ok(match under_way(queue, lane).await? {
        Some(other) => {
            let what = match other.state {
                JobState::Active => "runs".to_owned(),
                JobState::Delayed => format!("failed, and is tried again at {}", point(other.at.unwrap_or_default())),
                _ => "waits for a worker".to_owned(),
            };
            Reason { text: format!("{begin}: job {} {what}; {end}", other.key), behind: Some(other.key) }
        }
        None => format!("{begin}: {} under way; {end}", place.under_way).into(),
    })
}

/// So many jobs are looked at in each state for one that keeps a lane: there is no list of those.
const LOOKS: usize = 600;
const STEP: usize = 200;

/// A job that keeps others of its lane waiting, if it is soon found.
async fn under_way(queue: &Queue, lane: &str) -> Result<Option<JobView>, QueueError> {
    for state in [JobState::Active, JobState::Waiting, JobState::Delayed] {
        let (mut from, mut looked) = (None, 0);
        while looked < LOOKS {
            let page = queue.page(state, from.as_deref(), STEP, None).await?;
            looked += STEP;
            let found = queue.look(&page.ids).await?.into_iter().find(|job| {
                job.lane.as_deref() == Some(lane)
                    && job.state == state
                    && (state != JobState::Delayed || job.attempts > 0)
            });
            if found.is_some() {
                return Ok(found);
            }
            from = page.next;
            if from.is_none() {
                break;
            }
        }
    }
    Ok(None)
}

fn waiting(queue: &str, job: &JobView, stats: &QueueStats, known: &Known<'_>) -> Vec<Reason> {
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
    reasons.extend(unknown(job, known));
    if !reasons.is_empty() {
        return reasons.into_iter().map(Reason::from).collect();
    }
    let line = format!("it waits for a worker, among {} jobs", stats.waiting);
    let line = match stats.active {
        0 => format!("{line}; none runs: is there a worker? `millgate worker --queues {queue}`"),
        active => format!("{line}; {active} run"),
    };
    vec![line.into()]
}

/// Why nobody would do it.
fn unknown(job: &JobView, known: &Known<'_>) -> Option<String> {
    let (kind, version) = (&job.kind, job.version);
    match known.alive {
        Some(alive) => match alive.get(kind) {
            None => Some(format!("no worker that is alive knows jobs of kind {kind}")),
            Some(newest) if *newest < version => Some(format!(
                "no worker that is alive knows version {version} of {kind}; the newest that one knows is {newest}"
            )),
            Some(_) => None,
        },
        None => match known.here.get(kind) {
            None => Some(format!("no handler of this application does jobs of kind {kind}")),
            Some(newest) if *newest < version => Some(format!(
                "the handler of this application knows version {newest} of {kind}, and the job is of version {version}"
            )),
            Some(_) => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(kind: &str, version: u32) -> JobView {
        JobView {
            key: "0mwqnd2k1003".parse().unwrap(),
            id: "0mwqnd2k1003".into(),
            kind: kind.into(),
            version,
            state: JobState::Waiting,
            priority: 5,
            enqueued_at: DateTime::UNIX_EPOCH,
            time: DateTime::UNIX_EPOCH,
            at: None,
            payload: "{}".into(),
            attempts: 0,
            max_attempts: 4,
            lane: None,
            unique: None,
            failures: Vec::new(),
            progress: None,
            log: Vec::new(),
            stopping: false,
            origin: None,
        }
    }

    #[test]
    fn a_kind_or_version_that_nobody_knows_is_a_reason() {
        let here = BTreeMap::from([("mail".to_owned(), 2)]);
        let alive = BTreeMap::from([("mail".to_owned(), 1)]);
        let code = Known { here: &here, alive: None };
        let workers = Known { here: &here, alive: Some(&alive) };
        assert_eq!(unknown(&view("mail", 2), &code), None);
        assert!(unknown(&view("mail", 3), &code).unwrap().contains("version 2 of mail"));
        assert!(unknown(&view("sms", 1), &code).unwrap().contains("no handler of this application"));
        assert!(unknown(&view("mail", 2), &workers).unwrap().contains("no worker that is alive knows version 2"));
        assert!(unknown(&view("sms", 1), &workers).unwrap().contains("no worker that is alive knows jobs of kind sms"));
        assert_eq!(unknown(&view("mail", 1), &workers), None);
    }
}
