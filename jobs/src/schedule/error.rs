//! What can be wrong with a schedule.

use crate::QueueError;

/// An error from a schedule, with what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// No name to know it by.
    #[error("a schedule for jobs of kind {kind} has no name; give it one, such as \"nightly-report\"")]
    Nameless {
        /// The kind of its job.
        kind: String,
    },
    /// What should be a cron expression is none.
    #[error("schedule {name}: `{expression}` is no cron expression: {reason}")]
    Expression {
        /// The schedule.
        name: String,
        /// Its expression.
        expression: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An expression that names no day of any year.
    #[error(
        "schedule {name}: `{expression}` never fires: there is no such day from 1970 to 2100; correct day and month"
    )]
    Never {
        /// The schedule.
        name: String,
        /// Its expression.
        expression: String,
    },
    /// A time zone that the IANA database does not have.
    #[error("schedule {name}: there is no time zone `{zone}`; names are those of IANA: UTC, Europe/Berlin")]
    Zone {
        /// The schedule.
        name: String,
        /// What should be its zone.
        zone: String,
    },
    /// Arguments that cannot be written as JSON.
    #[error("schedule {name}: its job cannot be written as JSON: {source}")]
    Encode {
        /// The schedule.
        name: String,
        /// What serde said.
        source: serde_json::Error,
    },
    /// What should be a removed schedule is none.
    #[error("what was removed cannot be read, and so not put back: {0}")]
    Unreadable(serde_json::Error),
    /// No schedule of that name.
    #[error("there is no schedule `{name}`; there are: {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// Another schedule has that name.
    #[error("there is a schedule `{name}` in queue {queue} already; remove it, or choose another name")]
    Taken {
        /// The name.
        name: String,
        /// The queue that the other one's job goes to.
        queue: String,
    },
    /// A schedule that an application's code declares, and that only a change of the code can change.
    #[error("schedule `{name}` is declared in the code of {application}; change it there, edit its times, or pause it")]
    InCode {
        /// The schedule.
        name: String,
        /// The application.
        application: String,
    },
    /// A queue whose schedules nobody here looks after.
    #[error("schedule `{name}` is for queue {queue}, which is none of: {known}")]
    Queue {
        /// The schedule.
        name: String,
        /// Its job's queue.
        queue: String,
        /// The queues that there are.
        known: String,
    },
    /// Redis cannot be used.
    #[error(transparent)]
    Redis(#[from] QueueError),
}

impl ScheduleError {
    /// Whether the same call may well succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Redis(error) if error.is_transient())
    }
}
