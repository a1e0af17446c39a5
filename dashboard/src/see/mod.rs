//! What is there, as plain data: pages, API and command line show the same.

mod background;
mod flow;
mod job_filter;
mod job_page;
mod job_search;
mod jobs;
mod life;
pub mod moment;
mod outside;
mod overview;
mod process;
mod queue;
mod record;
mod records;
mod schedule;
mod term;
mod why;
mod wrong;

pub use flow::{Arrow, Flow, Health, Place, Stage};
pub use job_filter::{JobFilter, JobQuery};
pub use job_page::{JobPage, candidates, find, job};
pub use job_search::JobSearch;
pub(crate) use jobs::now;
pub use jobs::{Bound, JobList, SeenJob, in_state, jobs};
pub use life::{
    AttemptLife, EventLife, HandedOff, JobLife, JobNow, LetterLife, Life, Link, Look, Moment, Outcome, RoutedBy,
    Severity, What,
};
pub use outside::{Outside, PartitionLag};
pub use overview::{Figures, Overview, overview};
pub use process::{ProcessView, process, processes};
pub use queue::{QueueDetail, QueueView, hours, queue, queues};
pub use record::{Mask, RecordView, unmasked};
pub use records::Records;
pub use schedule::{ComingTick, MadeJob, ScheduleDetail, ScheduleView, schedule, schedules, ticks};
pub use term::Term;
pub use why::{Known, Reason};
pub use wrong::{Gravity, Wrong};
