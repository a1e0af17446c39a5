//! What is there, as plain data: pages, API and command line show the same.

mod audit_log;
mod background;
mod browse;
mod error;
mod event_line;
mod flow;
mod groups;
mod job_filter;
mod job_page;
mod job_search;
mod jobs;
mod letters;
mod life;
pub mod moment;
mod outside;
mod overview;
mod payload;
mod process;
mod queue;
mod record;
mod records;
mod routes;
mod sagas;
mod sample;
mod schedule;
mod term;
mod topics;
mod why;
mod wrong;

pub use audit_log::{AuditChoice, AuditPage, AuditView, audit_log, audit_logs, no_audit_log};
pub use browse::{RecordChoice, RecordPage, RecordPlans, record, records};
pub use error::SeeError;
pub use event_line::{EventLine, HeaderValue, LineRecord};
pub use flow::{Arrow, Flow, Health, Place, Stage};
pub use groups::{GroupLag, GroupView, WatermarkView, group, group_named, groups, lags, stream_group, stream_lags};
pub use job_filter::{JobFilter, JobQuery};
pub use job_page::{JobPage, candidates, find, job};
pub use job_search::JobSearch;
pub(crate) use jobs::now;
pub use jobs::{Bound, JobList, SeenJob, in_state, jobs};
pub use letters::{
    CauseView, LetterChoice, LetterPage, LetterView, TrendName, cause, causes, letter, letters, no_letter, no_letters,
    what_died,
};
pub use life::{
    AttemptLife, EventLife, HandedOff, JobLife, JobNow, LetterLife, Life, Link, Look, Moment, Outcome, RoutedBy,
    Severity, What,
};
pub use moment::When;
pub use outside::{Outside, PartitionLag};
pub use overview::{Figures, Overview, overview};
pub use payload::{in_line, in_lines, payload};
pub use process::{ProcessView, process, processes};
pub use queue::{QueueDetail, QueueView, hours, queue, queues};
pub use record::{Mask, RecordView, unmasked};
pub use records::Records;
pub use routes::{EventRoutes, Tried, plans, routes, try_routes};
pub use sagas::{SagaChoice, saga, sagas, severity, tone};
pub use schedule::{ComingTick, MadeJob, ScheduleDetail, ScheduleView, schedule, schedules, ticks};
pub use term::Term;
pub use topics::{TopicList, TopicRole, TopicView, topic, topics};
pub use why::{Known, Reason};
pub use wrong::{Gravity, Wrong};
