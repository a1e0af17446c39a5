//! A job of a story, with every attempt.

use chrono::{DateTime, TimeDelta, Utc};
use millgate_events::{Became, PastRun, Value};
use millgate_jobs::{FailureView, JobState, JobView};
use serde::Serialize;

use crate::see::record::Mask;

/// A job, where it is, and how its attempts went.
#[derive(Debug, Clone, Serialize)]
pub struct JobLife {
    /// Its id: the same at every attempt, and after a redrive.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// Its queue.
    pub queue: String,
    /// The event it goes back to; nothing for one of a schedule, or enqueued by hand.
    pub event_id: Option<String>,
    /// What became of it at the hand-off, as far as that was noted.
    pub became: Option<Became>,
    /// Where it is: `waiting`, `delayed`, `held`, `active`, `done`, `dead`, `cancelled`; `gone` if nobody knows.
    pub state: String,
    /// As it is in Redis, if it is.
    pub now: Option<JobNow>,
    /// Its attempts, the first one first.
    pub attempts: Vec<AttemptLife>,
    /// What its queue calls it, and did before it was redriven.
    pub keys: Vec<String>,
}

/// A job as it is in Redis.
#[derive(Debug, Clone, Serialize)]
pub struct JobNow {
    /// What its queue calls it.
    pub key: String,
    /// When it is to run, was started, or was done.
    pub at: Option<DateTime<Utc>>,
    /// When it was enqueued.
    pub enqueued_at: DateTime<Utc>,
    /// Runs that ended, or were cut off.
    pub attempts: u32,
    /// After so many it is dead.
    pub max_attempts: u32,
    /// How much is done, in percent.
    pub progress: Option<f64>,
    /// Its arguments.
    pub arguments: Value,
    /// How attempts failed.
    pub failures: Vec<FailureView>,
    /// Its log.
    pub log: Vec<(DateTime<Utc>, String)>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Well.
    Done,
    /// It failed, and is tried again.
    Failed,
    /// It failed for the last time, or for good.
    Dead,
    /// It was called off.
    Cancelled,
    /// It put itself off.
    Snoozed,
    /// Its worker gave it back.
    HandedBack,
    /// It goes on.
    Running,
    /// Its worker was never heard of again.
    CutOff,
    /// There must have been one, and nothing is noted of it: it was cut off, or its note is missing.
    Unknown,
}

/// A run.
#[derive(Debug, Clone, Serialize)]
pub struct AttemptLife {
    /// Which one it was, from 1.
    pub attempt: u32,
    /// What its queue called the job then.
    pub key: String,
    /// When it began.
    pub began_at: Option<DateTime<Utc>>,
    /// How long it took, in microseconds.
    pub took_us: Option<i64>,
    /// Host and process.
    pub worker: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// What went wrong, in a word.
    pub code: Option<String>,
    /// What went wrong.
    pub message: Option<String>,
    /// Its log.
    pub log: Vec<(DateTime<Utc>, String)>,
}

impl AttemptLife {
    fn of(run: &PastRun) -> Self {
        let log = run.log.as_ref().map(|log| log.0.as_slice()).unwrap_or_default();
        Self {
            attempt: u32::try_from(run.attempt).unwrap_or_default(),
            key: run.job_key.clone(),
            began_at: Some(run.began_at),
            took_us: run.took_us,
            worker: Some(run.worker.clone()),
            outcome: match run.verdict.as_deref() {
                Some("done") => Outcome::Done,
                Some("retry") => Outcome::Failed,
                Some("dead") => Outcome::Dead,
                Some("cancelled") => Outcome::Cancelled,
                Some("snoozed") => Outcome::Snoozed,
                Some("handed-back") => Outcome::HandedBack,
                Some(_) => Outcome::Unknown,
                None => Outcome::CutOff,
            },
            code: run.code.clone(),
            message: run.message.clone(),
            log: log
                .iter()
                .filter_map(|(at, line)| Some((DateTime::from_timestamp_millis(*at)?, line.clone())))
                .collect(),
        }
    }

    /// One that must have been.
    fn missing(attempt: u32, key: &str) -> Self {
        Self {
            attempt,
            key: key.to_owned(),
            began_at: None,
            took_us: None,
            worker: None,
            outcome: Outcome::Unknown,
            code: None,
            message: None,
            log: Vec::new(),
        }
    }

    /// When it ended.
    pub fn ended_at(&self) -> Option<DateTime<Utc>> {
        Some(self.began_at? + TimeDelta::microseconds(self.took_us?))
    }
}

impl JobLife {
    pub(super) fn new(queue: &str, kind: &str, id: &str, event_id: Option<&str>) -> Self {
        Self {
            id: id.to_owned(),
            kind: kind.to_owned(),
            queue: queue.to_owned(),
            event_id: event_id.map(str::to_owned),
            became: None,
            state: "gone".to_owned(),
            now: None,
            attempts: Vec::new(),
            keys: Vec::new(),
        }
    }

    /// What its queue calls it, one way or another.
    pub(super) fn is_called(&mut self, key: &str) {
        if !self.keys.iter().any(|known| known == key) {
            self.keys.push(key.to_owned());
        }
    }

    pub(super) fn ran(&mut self, run: &PastRun) {
        self.is_called(&run.job_key);
        self.attempts.push(AttemptLife::of(run));
    }

    /// As it is in its queue.
    pub(super) fn is(&mut self, view: JobView, mask: Mask<'_>) {
        self.is_called(view.key.as_str());
        self.state = view.state.to_string();
        let arguments = match serde_json::from_str(&view.payload) {
            Ok(json) => mask(&view.kind, json),
            Err(_) => Value::String(view.payload),
        };
        let key = view.key.to_string();
        if view.state == JobState::Active
            && let Some(last) = self.attempts.last_mut().filter(|last| last.key == key)
            && last.outcome == Outcome::CutOff
            && last.attempt > view.attempts
        {
            last.outcome = Outcome::Running;
        }
        self.now = Some(JobNow {
            key,
            at: view.at,
            enqueued_at: view.enqueued_at,
            attempts: view.attempts,
            max_attempts: view.max_attempts,
            progress: view.progress,
            arguments,
            failures: view.failures,
            log: view.log,
        });
    }

    /// When all is known: attempts that nothing was noted of, and where a job is that is not in Redis any more.
    pub(super) fn settle(&mut self) {
        let mut whole: Vec<AttemptLife> = Vec::with_capacity(self.attempts.len());
        for attempt in std::mem::take(&mut self.attempts) {
            let before = whole.iter().filter(|other| other.key == attempt.key).map(|other| other.attempt).max();
            whole.extend((before.unwrap_or(0) + 1..attempt.attempt).map(|n| AttemptLife::missing(n, &attempt.key)));
            whole.push(attempt);
        }
        if let Some(now) = &self.now {
            let known = whole.iter().filter(|attempt| attempt.key == now.key).map(|attempt| attempt.attempt).max();
            let missing = (known.unwrap_or(0) + 1..=now.attempts).map(|number| {
                // Redis has its failure, if that is how it ended.
                let failure = now.failures.iter().find(|failure| failure.attempt == number);
                let missing = AttemptLife::missing(number, &now.key);
                failure.map_or(missing.clone(), |failure| AttemptLife {
                    outcome: Outcome::Failed,
                    code: Some(failure.code.clone()),
                    message: Some(failure.message.clone()),
                    ..missing
                })
            });
            whole.extend(missing);
        } else {
            let last = whole.last().map(|last| last.outcome);
            match (last, self.became) {
                (Some(Outcome::Done), _) => "done".clone_into(&mut self.state),
                (Some(Outcome::Dead), _) => "dead".clone_into(&mut self.state),
                (Some(Outcome::Cancelled), _) | (None, Some(Became::Cancelled)) => {
                    "cancelled".clone_into(&mut self.state);
                }
                _ => {}
            }
        }
        self.attempts = whole;
    }
}
