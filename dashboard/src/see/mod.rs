//! What is there, as plain data: pages, API and command line show the same.

mod browse;
mod error;
mod event_line;
mod groups;
mod job_filter;
mod job_page;
mod job_search;
mod jobs;
mod letters;
mod life;
pub mod moment;
mod payload;
mod queue;
mod record;
mod records;
mod routes;
mod sample;
mod term;
mod topics;
mod why;

pub use browse::{RecordChoice, RecordPage, RecordPlans, record, records};
pub use error::SeeError;
pub use event_line::EventLine;
pub use groups::{GroupView, PartitionLag, WatermarkView, group, groups, lags, reader};
pub use job_filter::{JobFilter, JobQuery};
pub use job_page::{JobPage, candidates, find, job};
pub use job_search::JobSearch;
pub(crate) use jobs::now;
pub use jobs::{Bound, JobList, SeenJob, in_state, jobs};
pub use letters::{
    CauseView, LetterChoice, LetterPage, LetterView, TrendName, When, cause, causes, letter, letters, no_letter,
    no_letters, what_died,
};
pub use life::{
    AttemptLife, EventLife, HandedOff, JobLife, JobNow, LetterLife, Life, Link, Look, Moment, Outcome, RoutedBy,
    Severity, What,
};
pub use payload::{in_line, in_lines, payload};
pub use queue::{QueueView, queues};
pub use record::{Mask, RecordView, unmasked};
pub use records::Records;
pub use routes::{EventRoutes, Tried, plans, routes, try_routes};
pub use term::Term;
pub use topics::{TopicList, TopicRole, TopicView, topic, topics};
pub use why::{Known, Reason};
