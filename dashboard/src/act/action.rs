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
}

impl Action {
    /// What an actor has to be allowed, and in which queue.
    pub fn needs(&self) -> (Role, Option<&str>) {
        match self {
            Self::PauseQueue { queue }
            | Self::ResumeQueue { queue }
            | Self::DrainQueue { queue }
            | Self::LimitQueue { queue, .. } => (Role::Operator, Some(queue)),
        }
    }

    /// Whether one has to be sure before it is done.
    pub fn asks(&self) -> bool {
        matches!(self, Self::DrainQueue { .. })
    }

    /// What it does, as the audit has it.
    pub fn sentence(&self) -> String {
        match self {
            Self::PauseQueue { queue } => format!("pause queue {queue}"),
            Self::ResumeQueue { queue } => format!("resume queue {queue}"),
            Self::DrainQueue { queue } => format!("drain queue {queue}"),
            Self::LimitQueue { queue, .. } => format!("set the limits of queue {queue}"),
        }
    }
}
