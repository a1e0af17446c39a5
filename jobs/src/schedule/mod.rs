//! Schedules: jobs that are to be done at certain times, again and again.
//!
//! A [`Schedule`] says when and what. [`Schedules`] keeps them in Redis, each in the queue that its job goes to, so that
//! a tick and its job are one atomic step. A [`Scheduler`] fires what is due; any number may run at once.

mod catch_up;
mod cron_expression;
mod definition;
mod entry;
mod error;
#[expect(clippy::module_inception, reason = "the noun of this file is the one that the others are about")]
mod schedule;
mod scheduler;
mod schedules;
mod timing;

pub use catch_up::CatchUp;
pub use entry::{RemovedSchedule, ScheduleState, ScheduledJob, Times};
pub use error::ScheduleError;
pub use schedule::Schedule;
pub use scheduler::{Due, Scheduler, Turn};
pub use schedules::Schedules;
