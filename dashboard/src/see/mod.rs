//! What is there, as plain data: pages, API and command line show the same.

mod job_filter;
mod job_page;
mod job_search;
mod jobs;
mod life;
pub mod moment;
mod queue;
mod record;
mod records;
mod term;
mod why;

pub use job_filter::{JobFilter, JobQuery};
pub use job_page::{JobPage, candidates, find, job};
pub use job_search::JobSearch;
pub(crate) use jobs::now;
pub use jobs::{Bound, JobList, SeenJob, in_state, jobs};
pub use life::{
    AttemptLife, EventLife, HandedOff, JobLife, JobNow, LetterLife, Life, Link, Look, Moment, Outcome, RoutedBy,
    Severity, What,
};
pub use queue::{QueueView, queues};
pub use record::{Mask, RecordView, unmasked};
pub use records::Records;
pub use term::Term;
pub use why::{Known, Reason};
