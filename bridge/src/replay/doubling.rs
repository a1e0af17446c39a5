//! Which jobs there are already, so that a replay makes none a second time.

use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use millgate_events::{KafkaConfig, KafkaError, Lag, Logs, Record, Span};
use millgate_jobs::{JobState, NewJob, QueueError, Queues};
use uuid::Uuid;

use super::{names::Names, spot::Spot};

/// For an answer of Kafka.
const QUESTION: Duration = Duration::from_secs(10);
/// Jobs that are looked at in one step: as many as there may be. Those that run come in one.
const STEP: usize = 10_000;
/// Where a job may be. It goes from one to the next, or to the end of its life, which is covered by its age. From a failed run it
/// goes back to the first, and to those that wait if its worker died: so the way is gone twice.
const STATES: [JobState; 9] = [
    JobState::Delayed,
    JobState::Held,
    JobState::Waiting,
    JobState::Active,
    JobState::Delayed,
    JobState::Waiting,
    JobState::Active,
    JobState::Dead,
    JobState::Done,
];

/// What to do about jobs that the live group has made, or will make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubling {
    /// Leave them out: a replay makes what is missing.
    Never,
    /// Make them again, as jobs of their own under other names.
    Again,
}

/// Notes in each span up to where the live group is: what comes after that is its own to do. A group that never ran has all
/// before it, unless it begins at the latest.
pub async fn live_positions(kafka: &KafkaConfig, spans: &mut [Span]) -> Result<(), KafkaError> {
    let topics: BTreeSet<&str> =
        spans.iter().map(|span| span.topic.strip_prefix(kafka.topic_prefix.as_str()).unwrap_or(&span.topic)).collect();
    let standings = Logs::new(kafka, QUESTION).standings(&topics.into_iter().collect::<Vec<_>>()).await?;
    for span in spans {
        let standing = standings.iter().find(|lag| lag.topic == span.topic && lag.partition == span.partition);
        let live = match standing {
            Some(Lag { committed: Some(offset), .. }) => Some(*offset),
            Some(_) if kafka.auto_offset_reset == "latest" => None,
            _ => Some(0),
        };
        Spot { live, ..Spot::default() }.write(span);
    }
    Ok(())
}

/// What is known of jobs that there are.
pub(super) struct Present {
    names: HashSet<Uuid>,
    /// What is younger may have run within the time that ids are remembered.
    young: DateTime<Utc>,
}

/// Why a job is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeftOut {
    /// The live group will make it.
    ToTheLive,
    /// It may have run a short while ago.
    Recent,
    /// It waits, runs, or is dead.
    There,
}

impl LeftOut {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::ToTheLive => "jobs left to the live bridge",
            Self::Recent => "jobs left out, as they may have run within redis.dedupe_window",
            Self::There => "jobs left out, as they are in their queues",
        }
    }
}

impl Present {
    /// Looks through queues for the names of all jobs that are there. Where they are `kept` there are those that were found first, too.
    pub(super) async fn look(
        queues: &Queues,
        names: &BTreeSet<String>,
        asked_at: DateTime<Utc>,
        window: Duration,
        kept: Option<&Names>,
    ) -> Result<Self, QueueError> {
        let mut found = HashSet::new();
        for name in names {
            let queue = queues.queue(name);
            for state in STATES {
                let mut from = None;
                loop {
                    let page = queue.page(state, from.as_deref(), STEP, None).await?;
                    let jobs = queue.look(&page.ids).await?;
                    found.extend(jobs.iter().filter_map(|job| job.id.parse::<Uuid>().ok()));
                    from = page.next;
                    if from.is_none() {
                        break;
                    }
                }
            }
        }
        if let Some(kept) = kept {
            found = kept.keep(found).await?;
        }
        let window = TimeDelta::from_std(window).unwrap_or(TimeDelta::MAX);
        let young = asked_at.checked_sub_signed(window).unwrap_or(DateTime::<Utc>::MIN_UTC);
        Ok(Self { names: found, young })
    }

    /// Why a job is not made, if it is not: of a record that the live group, which is at `live`, has read or will read.
    pub(super) fn leaves_out(&self, record: &Record, live: Option<i64>, job: &NewJob) -> Option<LeftOut> {
        if live.is_some_and(|live| record.offset >= live) {
            return Some(LeftOut::ToTheLive);
        }
        if job.name().and_then(|name| name.parse().ok()).is_some_and(|name: Uuid| self.names.contains(&name)) {
            return Some(LeftOut::There);
        }
        let read = record.timestamp.and_then(DateTime::from_timestamp_millis);
        let last = [read, job.run_at()].into_iter().flatten().max();
        last.is_none_or(|last| last >= self.young).then_some(LeftOut::Recent)
    }
}
