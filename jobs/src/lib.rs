//! What to do: a job queue on Redis.
//!
//! [`Job`] is a kind of work, [`Queue`] the place where jobs wait, and [`QueueBackend`] hands them to an
//! apalis worker under a lease. A [`Schedule`] puts jobs in by the clock. All state of a queue changes in Lua scripts, one atomic step each.

mod action_log;
mod arguments;
mod backend;
mod backoff;
mod batch;
mod blocks;
mod claim;
mod claimed;
mod claiming;
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
mod hand;
mod hand_off;
mod handful;
mod job;
mod job_id;
mod job_kind;
mod keys;
mod lane;
mod lease;
mod lease_keeper;
mod limits;
mod link;
mod look;
mod nap;
mod new_job;
mod producer;
mod publish_event;
mod queue;
mod rate;
pub mod raw;
mod read_model;
mod record;
mod revival;
mod schedule;
mod script;
mod sender;
mod sentinel;
mod settle;
mod settler;
mod slot;
mod stats;
mod topology;
mod transfer;
mod unique;
mod url;
mod verdict;

pub use action_log::ActionLog;
pub use arguments::ArgumentProblem;
pub use backend::{BackendConfig, QueueBackend, Settle, Settling};
pub use backoff::Backoff;
pub use claimed::{Claimed, Notes, Origin};
pub use claiming::{Claiming, Hands};
pub use config::RedisConfig;
pub use connection::{Queues, RedisInfo};
pub use dead_job::DeadJob;
pub use enqueue::Enqueued;
pub use error::QueueError;
pub use failure::{ErrorCode, Failure};
pub use hand::Hand;
pub use hand_off::{Expected, HandedOff, Portion, Watermark};
pub use handful::{Handful, HandfulBackend, Judgement};
pub use job::Job;
pub use job_id::{JobId, NoJobId};
pub use job_kind::JobKind;
pub use lane::Lane;
pub use limits::Limits;
pub use look::{Acted, FailureView, JobState, JobView, Page};
pub use new_job::{JobOptions, NewJob, delay, once_per_event, priority, unique};
pub use publish_event::PublishEvent;
pub use queue::{Cancel, Queue};
pub use rate::Rate;
pub use read_model::ReadModel;
pub use record::BatchOutcome;
pub use revival::Revival;
pub use schedule::{
    CatchUp, Due, RemovedSchedule, Schedule, ScheduleError, ScheduleState, ScheduledJob, Scheduler, Schedules, Times,
    Turn,
};
pub use script::{SCRIPT_NAMES, script_text};
pub use stats::{KindCounts, QueueStats};
pub use unique::{Conflict, Hold, Unique};
pub use verdict::Verdict;
