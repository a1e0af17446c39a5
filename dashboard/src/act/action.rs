//! What an operator wants done, as data.

use millgate_jobs::Limits;
use serde::{Deserialize, Serialize};

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
            | Self::LimitQueue { queue, .. } => (Role::Operator, Some(queue)),
            Self::QuietProcess { .. } | Self::ResumeProcess { .. } => (Role::Operator, None),
            Self::StopProcess { .. } => (Role::Admin, None),
        }
    }

    /// Whether one has to be sure before it is done.
    pub fn asks(&self) -> bool {
        matches!(self, Self::DrainQueue { .. } | Self::StopProcess { .. })
    }

    /// What it does, as the audit has it.
    pub fn sentence(&self) -> String {
        match self {
            Self::PauseQueue { queue } => format!("pause queue {queue}"),
            Self::ResumeQueue { queue } => format!("resume queue {queue}"),
            Self::DrainQueue { queue } => format!("drain queue {queue}"),
            Self::LimitQueue { queue, .. } => format!("set the limits of queue {queue}"),
            Self::QuietProcess { process } => format!("let process {process} take no more jobs"),
            Self::ResumeProcess { process } => format!("let process {process} take jobs again"),
            Self::StopProcess { process } => format!("stop process {process}"),
        }
    }
}
