//! What can be done to a job, whichever it is.

use millgate_jobs::JobState;

use super::job_choice::names;

/// What is done to jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deed {
    Retry,
    RunNow,
    Cancel,
    Delete,
    /// To that queue.
    Move(String),
}

impl Deed {
    /// As its command has it.
    fn command(&self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::RunNow => "run-now",
            Self::Cancel => "cancel",
            Self::Delete => "delete",
            Self::Move(_) => "move",
        }
    }

    /// What jobs then are.
    pub(super) fn done(&self) -> String {
        match self {
            Self::Retry => "run again".to_owned(),
            Self::Cancel => "are cancelled".to_owned(),
            Self::Delete => "are deleted".to_owned(),
            Self::RunNow => "run now".to_owned(),
            Self::Move(to) => format!("are moved to {to}"),
        }
    }

    /// The states that it can be done in.
    pub(super) fn states(&self) -> &'static [JobState] {
        use JobState::{Active, Dead, Delayed, Done, Held, Waiting};
        match self {
            Self::Retry => &[Dead],
            Self::Cancel => &[Waiting, Delayed, Held, Active],
            Self::Delete => &[Waiting, Delayed, Held, Dead, Done],
            Self::RunNow => &[Delayed],
            Self::Move(_) => &[Waiting, Delayed, Held, Dead],
        }
    }

    /// Why jobs of a state cannot be meant.
    pub(super) fn wrong_state(&self, state: JobState) -> String {
        format!("`jobs {}` is for jobs that are {}; not for {state} ones", self.command(), names(self.states()))
    }

    /// What somebody should know who is asked whether they are sure.
    pub(super) fn warning(&self) -> &'static str {
        match self {
            Self::Retry => "This cannot be undone: a worker may take them at once.",
            Self::RunNow => "It can be undone for those that no worker has taken by then, if they are 1,000 at most.",
            Self::Cancel => {
                "Up to 1,000 that wait can be put back. Those that run are told to stop; that cannot be undone."
            }
            Self::Delete => "Up to 1,000 can be put back; more cannot.",
            Self::Move(_) => "Up to 1,000 can be moved back. What had failed attempts begins anew there.",
        }
    }

    /// Why it cannot be done in a state, and what can.
    pub(super) fn refusal(&self, id: &str, state: JobState) -> String {
        let instead = match (self, state) {
            (_, JobState::Active) => "; `millgate jobs cancel` tells it to stop",
            (Self::Retry | Self::RunNow, JobState::Held) => "; it goes on when others of its lane are done",
            (Self::Retry, JobState::Delayed) => "; `millgate jobs run-now` lets it run",
            (Self::RunNow, JobState::Dead) => "; `millgate jobs retry` lets it run again",
            (Self::Cancel, JobState::Dead | JobState::Done) => "; `millgate jobs delete` removes it",
            (_, JobState::Waiting) => "; a worker will take it",
            _ => "",
        };
        format!("job {id} is {state}{instead}")
    }
}
