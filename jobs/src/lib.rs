//! What to do: a job queue on Redis.
//!
//! [`Job`] is a kind of work, [`Queue`] the place where jobs wait, and [`QueueBackend`] hands them to an
//! apalis worker under a lease. All state of a queue changes in Lua scripts, one atomic step each.

mod backend;
mod backoff;
mod claimed;
mod cluster;
mod config;
mod connection;
mod dead_job;
mod deployment;
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
mod script;
mod sentinel;
mod settler;
mod slot;
mod stats;
mod topology;
mod url;
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
pub use stats::{KindCounts, QueueStats};
pub use verdict::Verdict;
