//! What to do: a job queue on Redis.
//!
//! [`Job`] is a kind of work, [`Queue`] the place where jobs wait, and [`QueueBackend`] hands them to an
//! apalis worker under a lease. A [`Schedule`] puts jobs in by the clock. All state of a queue changes in Lua scripts, one atomic step each.

mod backend;
mod backoff;
mod claimed;
mod config;
mod connection;
mod dead_job;
mod error;
mod failure;
mod fetcher;
mod in_hand;
mod job;
mod keys;
mod lease_keeper;
mod link;
mod new_job;
mod queue;
mod schedule;
mod script;
mod settler;
mod stats;
mod verdict;

pub use backend::{BackendConfig, QueueBackend, Settle, Settling};
pub use backoff::Backoff;
pub use claimed::{Claimed, Origin};
pub use config::RedisConfig;
pub use connection::{Queues, RedisInfo};
pub use dead_job::DeadJob;
pub use error::QueueError;
pub use failure::{ErrorCode, Failure};
pub use job::Job;
pub use new_job::{JobOptions, NewJob, delay, priority, unique};
pub use queue::{Cancel, Enqueued, Queue};
pub use schedule::{CatchUp, Due, Schedule, ScheduleError, ScheduleState, Scheduler, Schedules, Turn};
pub use stats::{KindCounts, QueueStats};
pub use verdict::Verdict;
