//! What is noted: of an event that is handed off, and of a run.

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Incoming, Record};

/// Longer names are cut: an index of PostgreSQL takes no more than 2,700 bytes.
const NAME: usize = 500;
const MESSAGE: usize = 2_000;
/// Lines of a run's log, and characters of one; the last lines are kept.
const LINES: usize = 20;
const LINE: usize = 500;

/// An event that was handed off.
#[derive(Debug, Clone)]
pub struct EventNote {
    pub(super) group: Arc<str>,
    pub(super) id: String,
    pub(super) source: String,
    pub(super) event_type: String,
    pub(super) version: i32,
    pub(super) time: DateTime<Utc>,
    pub(super) correlation: String,
    pub(super) causation: Option<String>,
    pub(super) trace: Option<String>,
    pub(super) key: Option<String>,
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) handed_off: DateTime<Utc>,
    /// What it came to.
    pub jobs: Vec<JobNote>,
    pub(super) problem: Option<String>,
}

/// A job that an event came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobNote {
    /// Its kind.
    pub kind: String,
    /// Its queue.
    pub queue: String,
    /// Its id, which follows from the event; of a cancel, the unique key.
    pub id: String,
    /// What its queue calls it, or the job that holds its unique key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What became of it at the hand-off.
    pub became: Became,
}

/// What became of a job at the hand-off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Became {
    /// It is new in its queue.
    New,
    /// It was not taken in again, as its route asks for.
    Duplicate,
    /// Another job holds its unique key.
    Held,
    /// Its unique key had been cancelled.
    Cancelled,
    /// It had been handed off before, and the event was read again.
    Before,
    /// No job: those of this kind and key are cancelled.
    Cancels,
}

impl EventNote {
    /// A record of the topic named `topic` (without the prefix), as a consumer group has it. `None` for what is no event.
    pub fn of(record: &Record, topic: &str, group: &Arc<str>) -> Option<Self> {
        let meta = Arc::unwrap_or_clone(Incoming::read(record, topic).ok()??.meta);
        let key = || record.key.as_deref().map(|key| String::from_utf8_lossy(key).into_owned());
        Some(Self {
            group: group.clone(),
            id: name(meta.id),
            source: name(meta.source),
            event_type: name(meta.event_type),
            version: i32::try_from(meta.version).unwrap_or(i32::MAX),
            time: meta.time,
            correlation: name(meta.correlation_id),
            causation: meta.causation_id.map(name),
            trace: meta.trace.map(|trace| trace.trace_id()),
            key: meta.subject.or_else(key).map(name),
            topic: record.topic.clone(),
            partition: record.partition,
            offset: record.offset,
            handed_off: meta.time,
            jobs: Vec::new(),
            problem: None,
        })
    }

    /// Its correlation id, which says whether it is among those that are noted.
    pub fn correlation(&self) -> &str {
        &self.correlation
    }

    /// The same for one that cannot become jobs.
    #[must_use]
    pub fn with_problem(self, code: &str) -> Self {
        Self { problem: Some(code.to_owned()), ..self }
    }
}

/// A run that begins.
#[derive(Debug)]
pub struct RunStart {
    /// The job's queue.
    pub queue: Arc<str>,
    /// Its kind.
    pub kind: Arc<str>,
    /// Its id: one of its own, or that of the queue.
    pub job_id: String,
    /// What its queue calls it.
    pub job_key: String,
    /// Which run it is, from 1.
    pub attempt: u32,
    /// The event it goes back to.
    pub event_id: Option<String>,
    /// Shared by everything that one request set off.
    pub correlation_id: Option<String>,
}

/// A run under way.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) start: RunStart,
    pub(super) at: DateTime<Utc>,
    pub(super) since: Instant,
    pub(super) is_sampled: bool,
    pub(super) is_over: AtomicBool,
    log: Mutex<Vec<(i64, String)>>,
}

impl Begun {
    pub(super) fn new(start: RunStart, at: DateTime<Utc>, is_sampled: bool) -> Self {
        let is_over = AtomicBool::new(false);
        Self { start, at, since: Instant::now(), is_sampled, is_over, log: Mutex::default() }
    }

    pub(super) fn log(&self, line: &str, at: DateTime<Utc>) {
        // Every change is one step; none can leave it torn.
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.len() == LINES {
            log.remove(0);
        }
        log.push((at.timestamp_millis(), fit(line, LINE)));
    }

    /// As a row: with how it ended, or of a run that goes on.
    pub(super) fn note(&self, end: Option<RunEnd<'_>>) -> RunNote {
        let RunStart { queue, kind, job_id, job_key, attempt, event_id, correlation_id } = &self.start;
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        let failure = end.as_ref().and_then(|end| end.failure);
        RunNote {
            began: self.at,
            took_us: end.as_ref().map(|_| micros(self.since.elapsed())),
            queue: queue.clone(),
            kind: kind.clone(),
            job_id: fit(job_id, NAME),
            job_key: job_key.clone(),
            attempt: i32::try_from(*attempt).unwrap_or(i32::MAX),
            verdict: end.as_ref().map(|end| end.verdict),
            code: failure.map(|(code, _)| fit(code, NAME)),
            message: failure.map(|(_, message)| fit(message, MESSAGE)),
            log: if log.is_empty() || end.is_none() { None } else { serde_json::to_string(&*log).ok() },
            event_id: event_id.as_deref().map(|id| fit(id, NAME)),
            correlation_id: correlation_id.as_deref().map(|id| fit(id, NAME)),
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy)]
pub struct RunEnd<'a> {
    /// In a word: `done`, `retry`, `dead`, `cancelled`, `snoozed`, `handed-back`.
    pub verdict: &'static str,
    /// Code and message of what went wrong, or the reason for a cancel.
    pub failure: Option<(&'a str, &'a str)>,
    /// Whether it is noted in any case.
    pub is_failure: bool,
}

/// A run as a row.
#[derive(Debug)]
pub(super) struct RunNote {
    pub(super) began: DateTime<Utc>,
    pub(super) took_us: Option<i64>,
    pub(super) queue: Arc<str>,
    pub(super) kind: Arc<str>,
    pub(super) job_id: String,
    pub(super) job_key: String,
    pub(super) attempt: i32,
    pub(super) verdict: Option<&'static str>,
    pub(super) code: Option<String>,
    pub(super) message: Option<String>,
    pub(super) log: Option<String>,
    pub(super) event_id: Option<String>,
    pub(super) correlation_id: Option<String>,
}

fn name(text: String) -> String {
    if text.len() <= NAME && !text.contains('\0') { text } else { fit(&text, NAME) }
}

/// Cut, and without NUL, of which PostgreSQL has none in texts.
pub(super) fn fit(text: &str, most: usize) -> String {
    text.chars().take(most).map(|c| if c == '\0' { '\u{fffd}' } else { c }).collect()
}
