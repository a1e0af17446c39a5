//! The timeline: everything in order, in words.

use chrono::{DateTime, Utc};
use millgate_events::{Became, JobNote};
use serde::Serialize;

use super::{AttemptLife, EventLife, HandedOff, JobLife, LetterLife, Life, Outcome};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Moment {
    /// When; of an attempt, when it began.
    pub at: DateTime<Utc>,
    /// What sort of thing.
    pub what: What,
    /// In words.
    pub text: String,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about.
    pub link: Option<Link>,
    /// What a handler logged meanwhile.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<(DateTime<Utc>, String)>,
}

/// What sort of thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// An event came to lie on Kafka.
    Published,
    /// Its jobs came into their queues.
    HandedOff,
    /// A run.
    Attempt,
    /// Something came to the dead letters.
    Letter,
    /// Somebody did something about a dead letter.
    Action,
    /// Notes are missing.
    Gap,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// As it should be.
    Good,
    /// Neither.
    Info,
    /// It may still come right.
    Warning,
    /// It needs somebody.
    Bad,
}

/// What a moment is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "to", rename_all = "lowercase")]
pub enum Link {
    /// An event.
    Event {
        /// Its id.
        id: String,
    },
    /// A job.
    Job {
        /// Its queue.
        queue: String,
        /// Its id.
        id: String,
    },
    /// A dead letter.
    Letter {
        /// Its id.
        id: String,
    },
}

/// All moments of a life, in order. Clocks of several machines tell them: within a millisecond what must come first does.
pub(super) fn timeline(life: &Life) -> Vec<Moment> {
    let mut moments = Vec::new();
    for event in &life.events {
        moments.push(published(event));
        moments.extend(event.handed_off.iter().map(|handed_off| self::handed_off(event, handed_off, &life.jobs)));
    }
    for job in &life.jobs {
        moments.extend(attempts(job, life));
    }
    for letter in &life.letters {
        moments.extend(of_letter(letter));
    }
    moments.extend(life.gaps.iter().map(|gap| Moment {
        at: gap.began_at,
        what: What::Gap,
        text: format!(
            "{} notes of {} are missing between {} and {}: what is said of that time may not be all",
            gap.notes,
            gap.worker,
            clock(gap.began_at),
            clock(gap.ended_at)
        ),
        severity: Severity::Warning,
        link: None,
        log: Vec::new(),
    }));
    moments.sort_by_key(|moment| (moment.at.timestamp_millis(), moment.what));
    moments
}

fn clock(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn published(event: &EventLife) -> Moment {
    let place = &event.place;
    let key = event.key.as_ref().map(|key| format!(" {key}")).unwrap_or_default();
    let cause = event.causation_id.as_ref().map(|cause| format!(", caused by {cause}")).unwrap_or_default();
    let EventLife { event_type, source, .. } = event;
    let text = format!(
        "{event_type}{key} published by {source} on {}/{}/{}{cause}",
        place.topic, place.partition, place.offset
    );
    let link = Some(Link::Event { id: event.id.clone() });
    Moment { at: event.published_at(), what: What::Published, text, severity: Severity::Info, link, log: Vec::new() }
}

fn handed_off(event: &EventLife, handed_off: &HandedOff, all: &[JobLife]) -> Moment {
    let HandedOff { group, at, jobs, problem } = handed_off;
    // It is noted when the whole batch is handed off, and workers are quick.
    let of_it = all.iter().filter(|job| jobs.iter().any(|note| note.queue == job.queue && note.id == job.id));
    let ran = of_it.filter_map(|job| job.attempts.iter().find_map(|attempt| attempt.began_at)).min();
    let at = ran.map_or(*at, |ran| ran.min(*at)).max(event.published_at());
    let came_to = match (problem, jobs.is_empty()) {
        (Some(code), _) => format!("cannot become jobs ({code})"),
        (None, true) => "handed off, and came to no job".to_owned(),
        (None, false) => format!("handed off: {}", jobs.iter().map(job_in_words).collect::<Vec<_>>().join(", ")),
    };
    Moment {
        at,
        what: What::HandedOff,
        text: format!("{} {came_to} (group {group})", event.event_type),
        severity: if problem.is_some() { Severity::Bad } else { Severity::Good },
        link: Some(Link::Event { id: event.id.clone() }),
        log: Vec::new(),
    }
}

fn job_in_words(job: &JobNote) -> String {
    let JobNote { kind, queue, id, became, .. } = job;
    match became {
        Became::New => format!("{kind} into {queue}"),
        Became::Duplicate => format!("{kind} not again into {queue}"),
        Became::Held => format!("{kind} not into {queue}, as another holds its key"),
        Became::Cancelled => format!("{kind} not into {queue}, as it was cancelled before"),
        Became::Before => format!("{kind} was in {queue} before"),
        Became::Cancels => format!("{kind} {id} cancelled in {queue}"),
    }
}

fn attempts(job: &JobLife, life: &Life) -> Vec<Moment> {
    let event = job.event_id.as_ref().and_then(|id| life.events.iter().find(|event| event.id == *id));
    let begin = event.map(|event| event.handed_off.first().map_or(event.time, |handed_off| handed_off.at));
    // What nothing is noted of was before what came after it.
    let mut moments: Vec<Moment> = Vec::new();
    let mut next = None;
    for attempt in job.attempts.iter().rev() {
        let last = || moments.first().map(|moment| moment.at);
        let at =
            attempt.began_at.or(next).or_else(last).or(begin).or_else(|| job.now.as_ref().map(|now| now.enqueued_at));
        next = at;
        moments.insert(0, moment_of(job, attempt, at.unwrap_or(life.now)));
    }
    moments
}

fn moment_of(job: &JobLife, attempt: &AttemptLife, at: DateTime<Utc>) -> Moment {
    let took = attempt.took_us.map(|took| format!(" after {}", span(took))).unwrap_or_default();
    let on = attempt.worker.as_ref().map(|worker| format!(" on {worker}")).unwrap_or_default();
    let why = match (&attempt.code, &attempt.message) {
        (Some(code), Some(message)) => format!(": {code}: {message}"),
        _ => String::new(),
    };
    let (word, severity) = match attempt.outcome {
        Outcome::Done => (format!("done{took}{on}"), Severity::Good),
        Outcome::Failed => (format!("failed{took}{on}{why}"), Severity::Warning),
        Outcome::Dead => (format!("failed for good{took}{on}{why}"), Severity::Bad),
        Outcome::Cancelled => (format!("called off{took}{on}{why}"), Severity::Info),
        Outcome::Snoozed => (format!("put itself off{took}{on}"), Severity::Info),
        Outcome::HandedBack => (format!("was given back{took}{on}, for another worker"), Severity::Info),
        Outcome::Running => (format!("runs{on}"), Severity::Info),
        Outcome::CutOff => (format!("was cut off{on}: the worker was not heard of again"), Severity::Warning),
        Outcome::Unknown => ("was cut off, or its note is missing".to_owned(), Severity::Warning),
    };
    Moment {
        at,
        what: What::Attempt,
        text: format!("{} attempt {} {word}", job.kind, attempt.attempt),
        severity,
        link: Some(Link::Job { queue: job.queue.clone(), id: job.id.clone() }),
        log: attempt.log.clone(),
    }
}

fn of_letter(life: &LetterLife) -> Vec<Moment> {
    let letter = &life.letter;
    let link = Some(Link::Letter { id: letter.id.to_string() });
    let what = letter.job_kind.as_deref().or(letter.event_type.as_deref()).unwrap_or("a record");
    let died = Moment {
        at: letter.failed_at,
        what: What::Letter,
        text: format!("{what} is dead, letter {}: {}: {}", letter.id, letter.code, letter.message),
        severity: if letter.status.is_open() { Severity::Bad } else { Severity::Info },
        link: link.clone(),
        log: Vec::new(),
    };
    let actions = life.actions.iter().map(|action| Moment {
        at: action.began_at,
        what: What::Action,
        text: format!("{} of letter {} by {}: {}", action.what, letter.id, action.who, action.why),
        severity: Severity::Info,
        link: link.clone(),
        log: Vec::new(),
    });
    std::iter::once(died).chain(actions).collect()
}

/// `2m 3s`, the two largest parts.
fn span(micros: i64) -> String {
    let micros = u64::try_from(micros).unwrap_or_default();
    let whole = match micros {
        0..1_000 => micros,
        1_000..1_000_000 => micros / 1_000 * 1_000,
        _ => micros / 100_000 * 100_000,
    };
    let text = humantime::format_duration(std::time::Duration::from_micros(whole)).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}
