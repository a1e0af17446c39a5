//! What to do: a job queue on Redis.
//!
//! [`Job`] is a kind of work, [`Queue`] the place where jobs wait, and [`QueueBackend`] hands them to an
//! apalis worker under a lease. All state of a queue changes in Lua scripts, one atomic step each.

mod backend;
mod backoff;
mod batch;
mod claim;
mod claimed;
mod clock_shift;
mod cluster;
mod config;
mod connection;
mod dead_job;
mod deployment;
mod enqueue;
mod error;
mod failure;
mod fetcher;
mod job;
mod job_id;
mod keys;
mod lane;
mod lease;
mod lease_keeper;
mod limits;
mod link;
mod look;
mod new_job;
mod producer;
mod queue;
pub mod raw;
mod record;
mod script;
mod sender;
mod sentinel;
mod settle;
mod settler;
mod slot;
mod stats;
pub mod testing;
mod topology;
mod unique;
mod url;
mod verdict;

pub use backend::{BackendConfig, QueueBackend, Settle, Settling};
pub use backoff::Backoff;
pub use claimed::{Claimed, Notes, Origin};
pub use config::RedisConfig;
pub use connection::{Queues, RedisInfo};
pub use dead_job::DeadJob;
pub use enqueue::Enqueued;
pub use error::QueueError;
pub use failure::{ErrorCode, Failure};
pub use job::Job;
pub use job_id::{JobId, NoJobId};
pub use lane::Lane;
pub use limits::{Limits, Rate};
pub use look::{Acted, FailureView, JobState, JobView, Page};
pub use new_job::{JobOptions, NewJob, delay, priority, unique};
pub use queue::{Cancel, Queue};
pub use record::BatchOutcome;
pub use script::{SCRIPT_NAMES, script_text};
pub use stats::{KindCounts, QueueStats};
pub use unique::{Conflict, Hold, Unique};
pub use verdict::Verdict;
