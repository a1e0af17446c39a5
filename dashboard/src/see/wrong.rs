//! What is wrong now, in words, and where to look.
//!
//! A check is a function from what was seen to what is wrong with it. None asks a server.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use millgate_bridge::saga::{Census, SagaStatus};
use millgate_jobs::{History, Process};
use serde::Serialize;

use super::{PartitionLag, QueueView, ScheduleView, moment::span, outside::Last};
use crate::Follower;

/// A job that has waited longer says that its queue is behind.
const LATE: Duration = Duration::from_mins(1);
/// A tick that is later was missed.
const OVERDUE: Duration = Duration::from_secs(30);
/// Jobs that died are told for so many minutes.
const RECENT: usize = 10;
/// A stream whose oldest record has waited longer is behind.
const BEHIND: u64 = 120;
/// So many of one sort are told one by one.
const MOST: usize = 5;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Gravity {
    /// Somebody has to do something, or work stands still or is lost.
    Bad,
    /// Somebody should look.
    Warn,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wrong {
    /// How bad it is.
    pub severity: Gravity,
    /// What it is, and what to do about it.
    pub text: String,
    /// Since when, if that is known.
    pub since: Option<DateTime<Utc>>,
    /// The page that shows it, as parts of its path.
    pub page: Vec<String>,
}

/// A consumer group of the application.
#[derive(Debug, Clone)]
pub(super) struct Group {
    /// `main`, or its name.
    pub(super) name: &'static str,
    /// As Kafka names it.
    pub(super) of_kafka: String,
    /// The topics that it reads.
    pub(super) topics: Vec<&'static str>,
    /// The queues that it fills.
    pub(super) queues: BTreeSet<String>,
}

/// What was seen.
pub(super) struct Seen<'a> {
    pub(super) now: DateTime<Utc>,
    pub(super) groups: &'a [Group],
    pub(super) streams: &'a [Follower],
    pub(super) processes: &'a [Process],
    pub(super) queues: &'a [QueueView],
    /// The last hour of all queues together.
    pub(super) hour: Option<&'a History>,
    pub(super) schedules: &'a [ScheduleView],
    pub(super) lags: &'a Last<Arc<[PartitionLag]>>,
    pub(super) stream_lags: &'a Last<Arc<[PartitionLag]>>,
    pub(super) policy: &'a Last<String>,
    pub(super) letters: &'a Last<()>,
    pub(super) sagas: &'a Last<Arc<[Census]>>,
}

/// All that is wrong, the worst first.
pub(super) fn all(seen: &Seen<'_>) -> Vec<Wrong> {
    let checks = [
        servers_away,
        redis_evicts,
        bridges_missing,
        streams_missing,
        streams_behind,
        troubles,
        queues_unserved,
        kinds_unknown,
        queues_stopped,
        queues_full,
        queues_late,
        jobs_die,
        schedules_off,
        sagas_stand,
    ];
    let mut wrong: Vec<Wrong> = checks.iter().flat_map(|check| check(seen)).collect();
    wrong.sort_by_key(|wrong| wrong.severity);
    wrong
}

/// Sagas that wait for people, and sagas that nobody moves.
fn sagas_stand(seen: &Seen<'_>) -> Vec<Wrong> {
    let census = match seen.sagas {
        Some(Ok(census)) => census,
        Some(Err(error)) => return vec![bad(format!("sagas cannot be read: {error}"), &["sagas"])],
        None => return Vec::new(),
    };
    let open: i64 = census.iter().map(|some| some.count).sum();
    let stuck = census.iter().filter(|some| some.status == SagaStatus::Stuck.as_str());
    let mut told: Vec<Wrong> = stuck
        .map(|some| Wrong {
            since: Some(some.oldest),
            ..bad(
                format!(
                    "{} stuck: what was done cannot be taken back, and waits for people",
                    many(
                        some.count.unsigned_abs(),
                        &format!("saga {} is", some.saga),
                        &format!("sagas {} are", some.saga)
                    )
                ),
                &["sagas"],
            )
        })
        .collect();
    let is_moved = seen.processes.iter().any(|process| process.roles.iter().any(|role| role == "saga"));
    if open > 0 && !is_moved {
        let open = many(open.unsigned_abs(), "saga has", "sagas have");
        told.push(bad(
            format!("{open} not ended, and no orchestrator runs: start one by `millgate saga run`"),
            &["sagas"],
        ));
    }
    told
}

fn wrong(severity: Gravity, text: String, page: &[&str]) -> Wrong {
    Wrong { severity, text, since: None, page: page.iter().map(|&part| part.to_owned()).collect() }
}

fn bad(text: String, page: &[&str]) -> Wrong {
    wrong(Gravity::Bad, text, page)
}

fn warn(text: String, page: &[&str]) -> Wrong {
    wrong(Gravity::Warn, text, page)
}

/// `a, b and 3 more`.
fn some<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    let more = names.len().saturating_sub(MOST);
    let told = names[..names.len() - more].join(", ");
    if more == 0 { told } else { format!("{told} and {more} more") }
}

/// `1 job waits`, `5 jobs wait`.
fn many(count: u64, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

fn servers_away(seen: &Seen<'_>) -> Vec<Wrong> {
    let mut away = Vec::new();
    if let Some(Err(error)) = seen.lags {
        away.push(bad(format!("Kafka does not say how far the bridge is behind: {error}"), &["topics"]));
    }
    if let Some(Err(error)) = seen.stream_lags {
        away.push(bad(format!("Kafka does not say how far the streams are behind: {error}"), &["topics"]));
    }
    if let Some(Err(error)) = seen.letters {
        away.push(bad(format!("the dead letters cannot be read: {error}"), &["dead"]));
    }
    away
}

fn redis_evicts(seen: &Seen<'_>) -> Vec<Wrong> {
    match seen.policy {
        Some(Ok(policy)) if policy != "noeviction" => vec![bad(
            format!(
                "Redis may throw jobs away when its memory is short (maxmemory-policy {policy}): \
                 CONFIG SET maxmemory-policy noeviction"
            ),
            &["queues"],
        )],
        _ => Vec::new(),
    }
}

/// Groups that nobody hands off for.
fn bridges_missing(seen: &Seen<'_>) -> Vec<Wrong> {
    let runs = |group: &&Group| {
        let mut bridged = seen.processes.iter().flat_map(|process| &process.groups);
        bridged.any(|bridged| bridged.group == group.of_kafka)
    };
    let missing = seen.groups.iter().filter(|group| !group.topics.is_empty() && !runs(group));
    let told = missing.map(|group| {
        let behind: u64 = match seen.lags {
            Some(Ok(lags)) => lags.iter().filter(|lag| lag.reader == group.name).map(|lag| lag.records).sum(),
            _ => 0,
        };
        let topics = some(group.topics.iter().copied());
        match behind {
            0 => warn(
                format!(
                    "no bridge runs for group {}: events of {topics} would wait; `millgate bridge`",
                    group.of_kafka
                ),
                &["workers"],
            ),
            behind => bad(
                format!(
                    "no bridge runs for group {}: {} on {topics}; `millgate bridge`",
                    group.of_kafka,
                    many(behind, "event waits", "events wait")
                ),
                &["workers"],
            ),
        }
    });
    told.collect()
}

/// Whether some process has a stream.
fn is_folded(seen: &Seen<'_>, stream: &Follower) -> bool {
    let mut groups = seen.processes.iter().flat_map(|process| &process.groups);
    groups.any(|group| group.group == stream.kafka.consumer_group)
}

/// How far a stream is behind, where it is.
fn lags_of<'a>(seen: &'a Seen<'_>, stream: &'a Follower) -> impl Iterator<Item = &'a PartitionLag> {
    let lags = seen.stream_lags.as_ref().and_then(|lags| lags.as_ref().ok()).map(|lags| &**lags).unwrap_or_default();
    lags.iter().filter(move |lag| lag.reader == stream.name && lag.records > 0)
}

/// Streams that nobody folds.
fn streams_missing(seen: &Seen<'_>) -> Vec<Wrong> {
    let missing = seen.streams.iter().filter(|stream| !is_folded(seen, stream));
    let told = missing.map(|stream| {
        let (name, topics) = (&stream.name, some(stream.topics.iter().map(String::as_str)));
        match lags_of(seen, stream).map(|lag| lag.records).sum() {
            0 => warn(
                format!("no process runs stream {name}: records of {topics} would wait; `millgate streams run`"),
                &["groups", &stream.kafka.consumer_group],
            ),
            behind => bad(
                format!(
                    "no process runs stream {name}: {}; `millgate streams run`",
                    many(behind, "record waits", "records wait")
                ),
                &["groups", &stream.kafka.consumer_group],
            ),
        }
    });
    told.collect()
}

/// Streams that run, and do not keep up.
fn streams_behind(seen: &Seen<'_>) -> Vec<Wrong> {
    let told = seen.streams.iter().filter(|stream| is_folded(seen, stream)).filter_map(|stream| {
        let oldest = lags_of(seen, stream).max_by_key(|lag| lag.seconds)?;
        let seconds = oldest.seconds.filter(|seconds| *seconds > BEHIND)?;
        let records: u64 = lags_of(seen, stream).map(|lag| lag.records).sum();
        let text = format!(
            "stream {} is behind: {}, the oldest on {} for {}",
            stream.name,
            many(records, "record waits", "records wait"),
            oldest.topic,
            span(Duration::from_secs(seconds))
        );
        Some(warn(text, &["groups", &stream.kafka.consumer_group]))
    });
    told.collect()
}

/// What processes say themselves.
fn troubles(seen: &Seen<'_>) -> Vec<Wrong> {
    let told = seen.processes.iter().flat_map(|process| {
        let place = format!("{} on {}", process.roles.join(", "), process.host);
        let more = (process.more_troubles > 0).then(|| {
            bad(format!("{place}: {} more things are wrong", process.more_troubles), &["workers", &process.id])
        });
        let told = process.troubles.iter().map(move |trouble| {
            let group = process.groups.iter().find(|group| trouble.group.as_ref() == Some(&group.group));
            let stream = group.and_then(|group| group.stream.as_ref());
            let of_stream = stream.map(|stream| format!(" in stream {stream}")).unwrap_or_default();
            let about = match (&trouble.topic, trouble.partition) {
                (Some(topic), Some(partition)) => {
                    format!("{place}: partition {partition} of {topic} waits{of_stream}: {}", trouble.text)
                }
                (Some(topic), None) => format!("{place}: {topic}: {}", trouble.text),
                (None, _) => format!("{place}: {}", trouble.text),
            };
            Wrong { since: Some(trouble.since), ..bad(about, &["workers", &process.id]) }
        });
        told.chain(more)
    });
    told.collect()
}

/// The processes that take jobs from a queue, or would if they were not quiet.
pub(super) fn serving<'a>(processes: &'a [Process], queue: &'a str) -> impl Iterator<Item = &'a Process> {
    processes.iter().filter(move |process| process.queues.iter().any(|worked| worked.name == queue))
}

/// Jobs that could run now if anybody worked on them.
fn queues_unserved(seen: &Seen<'_>) -> Vec<Wrong> {
    let waits = |queue: &&QueueView| queue.stats.waiting > 0 && !queue.stats.paused;
    let told = seen.queues.iter().filter(waits).filter_map(|queue| {
        let name = queue.name.as_str();
        let waiting = many(queue.stats.waiting, "job waits", "jobs wait");
        let mut serving = serving(seen.processes, name).peekable();
        if serving.peek().is_none() {
            return Some(bad(
                format!("no worker serves queue {name}, and {waiting} in it; `millgate worker`"),
                &["queues", name],
            ));
        }
        serving.all(|process| process.quiet).then(|| {
            bad(format!("every worker of queue {name} is quiet, and {waiting} in it; resume one"), &["workers"])
        })
    });
    told.collect()
}

/// Kinds of a queue that have jobs under way, and that no worker which serves it knows.
pub(super) fn unknown_kinds<'a>(queue: &'a QueueView, processes: &'a [Process]) -> Vec<&'a str> {
    let serving: Vec<&Process> = serving(processes, &queue.name).collect();
    // Without any worker it is not the kinds that are wrong.
    if serving.is_empty() {
        return Vec::new();
    }
    let is_known = |kind: &str| serving.iter().any(|process| process.kinds.contains_key(kind));
    let under_way = queue.stats.kinds.iter().filter(|(_, counts)| counts.unfinished() > 0);
    under_way.map(|(kind, _)| kind.as_str()).filter(|kind| !is_known(kind)).collect()
}

fn kinds_unknown(seen: &Seen<'_>) -> Vec<Wrong> {
    let told = seen.queues.iter().filter_map(|queue| {
        let kinds = unknown_kinds(queue, seen.processes);
        let text = || {
            format!(
                "no worker of queue {} knows {}: its jobs wait until one does; was a deploy left half done?",
                queue.name,
                some(kinds.iter().copied())
            )
        };
        (!kinds.is_empty()).then(|| bad(text(), &["queues", &queue.name]))
    });
    told.collect()
}

fn queues_stopped(seen: &Seen<'_>) -> Vec<Wrong> {
    let told = seen.queues.iter().filter_map(|queue| {
        let name = queue.name.as_str();
        match (queue.stats.paused, queue.stats.draining) {
            (true, _) => {
                let waiting = many(queue.stats.waiting, "job waits", "jobs wait");
                Some(format!("queue {name} is paused: no worker takes jobs from it, and {waiting}"))
            }
            (_, true) => Some(format!("queue {name} is draining: it takes no more jobs")),
            _ => None,
        }
        .map(|text| warn(text, &["queues", name]))
    });
    told.collect()
}

fn queues_full(seen: &Seen<'_>) -> Vec<Wrong> {
    let told = seen.queues.iter().filter_map(|queue| {
        let (stats, most) = (&queue.stats, queue.stats.limits.max_jobs?);
        let holds = stats.waiting + stats.delayed + stats.held + stats.active;
        let text = || {
            format!("queue {} takes no more than {most} jobs and holds {holds}: who fills it has to wait", queue.name)
        };
        (holds >= most).then(|| bad(text(), &["queues", &queue.name]))
    });
    told.collect()
}

fn queues_late(seen: &Seen<'_>) -> Vec<Wrong> {
    // Others are told with why.
    let runs =
        |queue: &&QueueView| !queue.stats.paused && serving(seen.processes, &queue.name).any(|process| !process.quiet);
    let told = seen.queues.iter().filter(runs).filter_map(|queue| {
        let age = queue.oldest_age().filter(|age| *age > LATE)?;
        let text =
            format!("the oldest job of queue {} has waited for {}: more workers, or fewer jobs", queue.name, span(age));
        Some(warn(text, &["queues", &queue.name]))
    });
    told.collect()
}

/// Dead jobs of the last minutes.
fn jobs_die(seen: &Seen<'_>) -> Vec<Wrong> {
    let points = seen.hour.map(|hour| &*hour.points).unwrap_or_default();
    let dead: u64 = points.iter().rev().take(RECENT).map(|point| point.dead).sum();
    let mut told = Vec::new();
    if dead > 0 {
        told.push(warn(format!("{} died in the last {RECENT} minutes", many(dead, "job", "jobs")), &["dead"]));
    }
    let unburied: u64 = seen.queues.iter().map(|queue| queue.stats.unburied).sum();
    if unburied > 0 {
        told.push(warn(
            format!("{} not on the dead-letter topic yet", many(unburied, "dead job is", "dead jobs are")),
            &["queues"],
        ));
    }
    told
}

fn schedules_off(seen: &Seen<'_>) -> Vec<Wrong> {
    let told = seen.schedules.iter().filter_map(|schedule| {
        let name = schedule.name.as_str();
        if schedule.left {
            let text = format!("schedule {name} has left the code and does not fire: remove it, or bring it back");
            return Some(warn(text, &["schedules", name]));
        }
        let overdue = schedule.overdue.filter(|due| (seen.now - *due).to_std().is_ok_and(|late| late > OVERDUE))?;
        let text = format!("nobody fires schedule {name}: does a worker or a scheduler run?");
        Some(Wrong { since: Some(overdue), ..bad(text, &["schedules", name]) })
    });
    told.collect()
}

#[cfg(test)]
#[path = "wrong_tests.rs"]
mod tests;
