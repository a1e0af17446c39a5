//! What an operator wants done, as data.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use millgate_jobs::{KeptJob, Limits, RemovedSchedule};
use serde::{Deserialize, Serialize};

use super::{JobChoice, Payload};
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
    /// Stop a process, as by SIGTERM.
    StopProcess {
        /// Its id.
        process: String,
    },
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
            Self::QuietProcess { .. } | Self::ResumeProcess { .. } => (Role::Operator, None),
            Self::StopProcess { .. } => (Role::Admin, None),
        }
    }

    /// Whether one has to be sure before it is done.
    pub fn asks(&self) -> bool {
        match self {
            Self::DrainQueue { .. } | Self::RemoveSchedule { .. } | Self::StopProcess { .. } => true,
            Self::RetryJobs { jobs }
            | Self::RunJobs { jobs }
            | Self::CancelJobs { jobs }
            | Self::DeleteJobs { jobs }
            | Self::MoveJobs { jobs, .. } => jobs.is_many(),
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
            Self::RunSchedule { schedule, .. } => format!("run schedule {schedule} now"),
            Self::PauseSchedule { schedule, .. } => format!("pause schedule {schedule}"),
            Self::ResumeSchedule { schedule, .. } => format!("resume schedule {schedule}"),
            Self::EditSchedule { schedule, cron, zone, .. } => {
                format!("let schedule {schedule} fire at `{cron}` in {zone}")
            }
            Self::ResetSchedule { schedule, .. } => format!("let schedule {schedule} fire as its definition says"),
            Self::RemoveSchedule { schedule, .. } => format!("remove schedule {schedule}"),
            Self::RestoreSchedule { schedule, .. } => format!("put schedule {schedule} back"),
        }
    }
}
