//! What an operator wants done, as data.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use millgate_events::LetterFilter;
use millgate_jobs::{KeptJob, Limits, RemovedSchedule};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{GroupStart, JobChoice, Payload, Redriving};
use crate::access::Role;

/// What an operator wants done. As JSON: `{"do": "pause-queue", "queue": "email"}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// Take no jobs from a queue until it is resumed; what runs may finish.
    PauseQueue {
        /// The queue.
        queue: String,
    },
    /// End a pause and a drain.
    ResumeQueue {
        /// The queue.
        queue: String,
    },
    /// Take no more jobs into a queue; what is there is done.
    DrainQueue {
        /// The queue.
        queue: String,
    },
    /// Set all limits of a queue.
    LimitQueue {
        /// The queue.
        queue: String,
        /// What holds from then on; what is not named does not hold.
        limits: Limits,
    },
    /// Let dead jobs run again, with all their attempts.
    RetryJobs {
        /// Which.
        jobs: JobChoice,
    },
    /// Let delayed jobs run now.
    RunJobs {
        /// Which.
        jobs: JobChoice,
    },
    /// Cancel jobs; those that run are told to stop.
    CancelJobs {
        /// Which.
        jobs: JobChoice,
    },
    /// Remove jobs that no worker has, dead and kept ones too.
    DeleteJobs {
        /// Which.
        jobs: JobChoice,
    },
    /// Move jobs that no worker has to another queue, where they begin anew.
    MoveJobs {
        /// Which.
        jobs: JobChoice,
        /// The other queue.
        to: String,
    },
    /// Give a job that waits, is delayed or dead other arguments, and let it run.
    EditJob {
        /// Its queue.
        queue: String,
        /// Its id.
        id: String,
        /// Its arguments: JSON, or a text of it.
        payload: Payload,
    },
    /// Put jobs back that were removed: what undoes that.
    PutBackJobs {
        /// Their queue.
        queue: String,
        /// As they were.
        jobs: Vec<KeptJob>,
    },
    /// Make jobs wait until a time again that they were let go before: what undoes that.
    DelayJobs {
        /// Their queue.
        queue: String,
        /// When each is to run, by id.
        times: BTreeMap<String, DateTime<Utc>>,
    },
    /// Let events go through their routes again, and jobs into their queues.
    RedriveLetters(Redriving),
    /// Decide that letters are not needed; they are kept, and no longer counted.
    DiscardLetters {
        /// Which.
        letters: LetterFilter,
        /// Why.
        #[serde(default, deserialize_with = "text")]
        why: String,
    },
    /// Take back a discard: its letters are dead again.
    RestoreLetters {
        /// Its number among the actions of the table.
        discard: i64,
        /// Why.
        #[serde(default, deserialize_with = "text")]
        why: String,
    },
    /// Put another payload over a letter's, for its redrive.
    EditLetter {
        /// Which.
        letter: Uuid,
        /// JSON; nothing: the letter's own again.
        #[serde(default, deserialize_with = "some_text", skip_serializing_if = "Option::is_none")]
        payload: Option<String>,
        /// Why.
        #[serde(default, deserialize_with = "text")]
        why: String,
    },
    /// Put a schedule's job in now, paused or not; its ticks stay as they are.
    RunSchedule {
        /// The queue of its job.
        queue: String,
        /// The schedule.
        schedule: String,
    },
    /// Let a schedule fire no more until it is resumed.
    PauseSchedule {
        /// The queue of its job.
        queue: String,
        /// The schedule.
        schedule: String,
    },
    /// Let a schedule fire again, from now on.
    ResumeSchedule {
        /// The queue of its job.
        queue: String,
        /// The schedule.
        schedule: String,
    },
    /// Let a schedule fire at other times than its definition says, until it is reset or that has new ones.
    EditSchedule {
        /// The queue of its job.
        queue: String,
        /// The schedule.
        schedule: String,
        /// A cron expression.
        cron: String,
        /// A time zone, by IANA name.
        zone: String,
    },
    /// Let a schedule fire at the times of its definition again.
    ResetSchedule {
        /// The queue of its job.
        queue: String,
        /// The schedule.
        schedule: String,
    },
    /// Remove a schedule that is in nobody's code.
    RemoveSchedule {
        /// The queue of its job.
        queue: String,
        /// The schedule.
        schedule: String,
    },
    /// Put a removed schedule back.
    RestoreSchedule {
        /// The queue of its job.
        queue: String,
        /// The schedule.
        schedule: String,
        /// What was removed.
        entry: RemovedSchedule,
    },
    /// Let a process take no more jobs; what it has it finishes.
    QuietProcess {
        /// Its id.
        process: String,
    },
    /// Let a process take jobs again.
    ResumeProcess {
        /// Its id.
        process: String,
    },
    /// Try again now what a saga waits for, or what of it is stuck.
    RetrySaga {
        /// Its id.
        saga: Uuid,
    },
    /// Take back what a saga has done.
    CompensateSaga {
        /// Its id.
        saga: Uuid,
        /// Why.
        why: String,
    },
    /// Say that what is stuck of a saga was taken back by hand.
    ResolveSaga {
        /// Its id.
        saga: Uuid,
        /// The step, or its compensation; nothing: all that are stuck.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<String>,
        /// What was done.
        why: String,
    },
    /// Stop a process, as by SIGTERM.
    StopProcess {
        /// Its id.
        process: String,
    },
    /// Let a projection pass over the event that it stands still at: its rows are without that from then on.
    SkipEvent {
        /// Its name.
        projection: String,
        /// The event's id.
        event: Uuid,
        /// Why.
        #[serde(default, deserialize_with = "text")]
        why: String,
    },
    /// Let a replay that was asked for go on from where it is, to its end.
    RunReplay {
        /// Its id.
        replay: String,
    },
    /// Let a replay stop where it is; it may be run on.
    StopReplay {
        /// Its id.
        replay: String,
    },
    /// Let a group that has not run yet begin at a time.
    StartGroup(GroupStart),
}

/// A text, also one that a form took for a number or a list.
pub(super) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(some_text(from)?.unwrap_or_default())
}

fn some_text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    })
}

impl Action {
    /// What an actor has to be allowed, and in which queue.
    pub fn needs(&self) -> (Role, Option<&str>) {
        match self {
            Self::PauseQueue { queue }
            | Self::ResumeQueue { queue }
            | Self::DrainQueue { queue }
            | Self::LimitQueue { queue, .. }
            | Self::EditJob { queue, .. }
            | Self::PutBackJobs { queue, .. }
            | Self::DelayJobs { queue, .. }
            | Self::RunSchedule { queue, .. }
            | Self::PauseSchedule { queue, .. }
            | Self::ResumeSchedule { queue, .. }
            | Self::EditSchedule { queue, .. }
            | Self::ResetSchedule { queue, .. }
            | Self::RemoveSchedule { queue, .. }
            | Self::RestoreSchedule { queue, .. } => (Role::Operator, Some(queue)),
            Self::RetryJobs { jobs }
            | Self::RunJobs { jobs }
            | Self::CancelJobs { jobs }
            | Self::DeleteJobs { jobs }
            | Self::MoveJobs { jobs, .. } => (Role::Operator, Some(&jobs.queue)),
            Self::QuietProcess { .. }
            | Self::ResumeProcess { .. }
            | Self::RestoreLetters { .. }
            | Self::RetrySaga { .. }
            | Self::CompensateSaga { .. }
            | Self::ResolveSaga { .. }
            | Self::EditLetter { .. }
            | Self::SkipEvent { .. }
            | Self::RunReplay { .. }
            | Self::StopReplay { .. } => (Role::Operator, None),
            Self::StartGroup(_) | Self::StopProcess { .. } => (Role::Admin, None),
            Self::RedriveLetters(Redriving { letters, .. }) | Self::DiscardLetters { letters, .. } => {
                (Role::Operator, letters.queue.as_deref())
            }
        }
    }

    /// Whether one has to be sure before it is done.
    pub fn asks(&self) -> bool {
        match self {
            Self::DrainQueue { .. }
            | Self::RemoveSchedule { .. }
            | Self::StopProcess { .. }
            | Self::CompensateSaga { .. }
            | Self::ResolveSaga { .. }
            | Self::SkipEvent { .. }
            | Self::RunReplay { .. }
            | Self::StartGroup(_) => true,
            Self::RetryJobs { jobs }
            | Self::RunJobs { jobs }
            | Self::CancelJobs { jobs }
            | Self::DeleteJobs { jobs }
            | Self::MoveJobs { jobs, .. } => jobs.is_many(),
            Self::RedriveLetters(Redriving { letters, .. }) | Self::DiscardLetters { letters, .. } => {
                letters.ids.len() != 1
            }
            _ => false,
        }
    }

    /// What it does, as the audit has it.
    pub fn sentence(&self) -> String {
        match self {
            Self::PauseQueue { queue } => format!("pause queue {queue}"),
            Self::ResumeQueue { queue } => format!("resume queue {queue}"),
            Self::DrainQueue { queue } => format!("drain queue {queue}"),
            Self::LimitQueue { queue, .. } => format!("set the limits of queue {queue}"),
            Self::RetryJobs { jobs } => format!("retry {}", jobs.words()),
            Self::RunJobs { jobs } => format!("run {} now", jobs.words()),
            Self::CancelJobs { jobs } => format!("cancel {}", jobs.words()),
            Self::DeleteJobs { jobs } => format!("delete {}", jobs.words()),
            Self::MoveJobs { jobs, to } => format!("move {} to queue {to}", jobs.words()),
            Self::EditJob { queue, id, .. } => format!("edit job {id} in queue {queue} and run it"),
            Self::PutBackJobs { queue, jobs } => format!("put {} jobs back into queue {queue}", jobs.len()),
            Self::DelayJobs { queue, times } => format!("delay {} jobs in queue {queue} again", times.len()),
            Self::QuietProcess { process } => format!("let process {process} take no more jobs"),
            Self::ResumeProcess { process } => format!("let process {process} take jobs again"),
            Self::StopProcess { process } => format!("stop process {process}"),
            Self::RetrySaga { saga } => format!("try saga {saga} again"),
            Self::CompensateSaga { saga, .. } => format!("take back saga {saga}"),
            Self::ResolveSaga { saga, .. } => format!("say that saga {saga} was taken back by hand"),
            Self::RunSchedule { schedule, .. } => format!("run schedule {schedule} now"),
            Self::PauseSchedule { schedule, .. } => format!("pause schedule {schedule}"),
            Self::ResumeSchedule { schedule, .. } => format!("resume schedule {schedule}"),
            Self::EditSchedule { schedule, cron, zone, .. } => {
                format!("let schedule {schedule} fire at `{cron}` in {zone}")
            }
            Self::ResetSchedule { schedule, .. } => format!("let schedule {schedule} fire as its definition says"),
            Self::RemoveSchedule { schedule, .. } => format!("remove schedule {schedule}"),
            Self::RestoreSchedule { schedule, .. } => format!("put schedule {schedule} back"),
            Self::RedriveLetters(Redriving { letters, .. }) => format!("redrive {}", meant(letters)),
            Self::DiscardLetters { letters, .. } => format!("discard {}", meant(letters)),
            Self::RestoreLetters { discard, .. } => format!("take back discard {discard} of dead letters"),
            Self::EditLetter { letter, payload: Some(_), .. } => format!("edit dead letter {letter}"),
            Self::SkipEvent { projection, event, .. } => format!("let projection {projection} pass over event {event}"),
            Self::RunReplay { replay } => format!("run replay {replay}"),
            Self::StopReplay { replay } => format!("stop replay {replay}"),
            Self::StartGroup(start) => start.sentence(),
            Self::EditLetter { letter, payload: None, .. } => format!("take back the edit of dead letter {letter}"),
        }
    }
}

/// Which letters, in words.
fn meant(filter: &LetterFilter) -> String {
    match filter.ids.as_slice() {
        [] => {}
        [id] => return format!("dead letter {id}"),
        ids => return format!("{} dead letters", ids.len()),
    }
    let parts = [
        ("of queue", &filter.queue),
        ("of type", &filter.event_type),
        ("of job kind", &filter.job_kind),
        ("with code", &filter.code),
        ("with fingerprint", &filter.fingerprint),
    ];
    let parts = parts.into_iter().filter_map(|(of, name)| Some(format!("{of} {}", name.as_ref()?)));
    let kind = filter.kind.map(|kind| format!("of {kind}s"));
    let topic = filter.topics.first().map(|topic| format!("of topic {topic}"));
    let since = filter.since.map(|since| format!("since {}", since.format("%Y-%m-%d %H:%M:%S UTC")));
    let until = filter.until.map(|until| format!("before {}", until.format("%Y-%m-%d %H:%M:%S UTC")));
    let parts: Vec<String> = kind.into_iter().chain(topic).chain(parts).chain(since).chain(until).collect();
    format!("the dead letters {}", parts.join(", "))
}
