//! What is there, as plain data: pages, API and command line show the same.

mod job_filter;
mod job_page;
mod job_search;
mod jobs;
pub mod moment;
mod queue;
mod term;
mod why;

pub use job_filter::{JobFilter, JobQuery};
pub use job_page::{JobPage, candidates, find, job};
pub use job_search::JobSearch;
pub(crate) use jobs::now;
pub use jobs::{Bound, JobList, SeenJob, in_state, jobs};
pub use queue::{QueueView, queues};
pub use term::Term;
pub use why::{Known, Reason};
