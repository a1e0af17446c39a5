//! How: the worker runtime, and the handlers that come with millgate.
//!
//! A handler is an `async fn(Job, Ctx) -> Result<Done, JobError>`; [`Handlers`] is the table of all, and
//! [`Worker`] runs them on an apalis worker a queue. [`DeadLetterForwarder`] brings dead jobs to their topic.

// What the derive macros write names `::millgate`; here that is the crate the trait comes from.
extern crate millgate_jobs as millgate;

mod config;
mod ctx;
mod dead_letters;
pub mod email;
mod handler;
pub mod inventory;
mod job_error;
mod service;
mod state;
mod worker;

pub use config::WorkerConfig;
pub use ctx::Ctx;
pub use dead_letters::DeadLetterForwarder;
pub use email::SmtpConfig;
pub use handler::{Handler, Handlers};
pub use job_error::{Done, JobError};
pub use state::State;
pub use worker::{Worker, WorkerError};
