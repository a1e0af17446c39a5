//! What is there, as plain data: pages, API and command line show the same.

mod life;
mod queue;
mod record;

pub use life::{
    AttemptLife, EventLife, HandedOff, JobLife, JobNow, LetterLife, Life, Link, Look, Moment, Outcome, RoutedBy,
    Severity, What,
};
pub use queue::{QueueView, queues};
pub use record::{Mask, RecordView, unmasked};
