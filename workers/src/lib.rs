//! How: the worker runtime, and the handlers that come with millgate.
//!
//! A handler is an `async fn(Job, Ctx) -> Result<Done, JobError>`, or a [`BatchHandler`] for several jobs at once;
//! [`Handlers`] is the table of all, and [`Worker`] runs them on an apalis worker a queue. [`DeadLetterForwarder`] brings dead jobs to their topic.

// What the derive macros write names `::millgate`; here that is the crate the trait comes from.
extern crate millgate_jobs as millgate;

mod batch_ctx;
mod batch_handler;
mod config;
mod ctx;
mod dead_letters;
pub mod email;
mod gathering;
mod handler;
mod handlers;
pub mod inventory;
mod job_error;
mod metrics;
mod publishing;
mod run;
mod run_spans;
mod runners;
mod service;
mod state;
mod worker;

pub use batch_ctx::BatchCtx;
pub use batch_handler::BatchHandler;
pub use config::WorkerConfig;
pub use ctx::{Ctx, Noted};
pub use dead_letters::DeadLetterForwarder;
pub use email::SmtpConfig;
pub use handler::Handler;
pub use handlers::Handlers;
pub use job_error::{Done, JobError};
pub use metrics::{JobMetrics, metrics};
pub use publishing::publish_event;
pub use state::State;
pub use worker::{Worker, WorkerError};
