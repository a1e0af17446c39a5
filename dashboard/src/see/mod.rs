//! What is there, as plain data: pages, API and command line show the same.

mod queue;
mod schedule;

pub use queue::{QueueView, queue, queues};
pub use schedule::{ComingTick, MadeJob, ScheduleDetail, ScheduleView, schedule, schedules, ticks};
