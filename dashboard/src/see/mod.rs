//! What is there, as plain data: pages, API and command line show the same.

mod background;
mod flow;
mod outside;
mod overview;
mod process;
mod queue;
mod schedule;
mod wrong;

pub use flow::{Arrow, Flow, Health, Place, Stage};
pub use outside::{Outside, PartitionLag};
pub use overview::{Figures, Overview, overview};
pub use process::{ProcessView, process, processes};
pub use queue::{QueueDetail, QueueView, hours, queue, queues};
pub use schedule::{ComingTick, MadeJob, ScheduleDetail, ScheduleView, schedule, schedules, ticks};
pub use wrong::{Severity, Wrong};
