//! How: the worker runtime, and the handlers that come with millgate.
//!
//! A handler is an `async fn(Job, Ctx) -> Result<Done, JobError>`, where in place of the [`Ctx`] may be what is made of it
//! ([`FromCtx`]), or a [`BatchHandler`] for several jobs at once; tower's layers go around it ([`JobLayer`]). [`Handlers`] is the table of all, and [`Worker`] runs them on an apalis worker a queue. [`DeadLetterForwarder`] brings dead jobs to their topic.

// What the derive macros write names `::millgate`; here that is the crate the trait comes from.
extern crate millgate_jobs as millgate;

mod batch_ctx;
mod batch_handler;
mod breaker;
mod config;
mod ctx;
mod dead_letters;
pub mod email;
mod error_class;
mod extract;
mod gathering;
mod handler;
mod handlers;
mod http_error;
mod inbox;
pub mod inventory;
mod job_error;
mod layers;
mod load_shed;
mod metrics;
mod noting;
mod publishing;
mod quiet_hours;
mod run;
mod run_spans;
mod runners;
mod service;
mod state;
mod step;
mod tally;
pub mod webhook;
mod worker;

pub use batch_ctx::BatchCtx;
pub use batch_handler::BatchHandler;
pub use breaker::{Breaker, BreakerConfig, BreakerService, BreakerState, Pass};
pub use config::WorkerConfig;
pub use ctx::{Ctx, Noted};
pub use dead_letters::DeadLetterForwarder;
pub use email::SmtpConfig;
pub use error_class::ErrorClass;
pub use extract::{Cancelled, FromCtx, Progress};
pub use handler::Handler;
pub use handlers::Handlers;
pub use job_error::{Done, JobError};
pub use layers::{HandlerService, IntoJobError, JobCall, JobLayer, Layered};
pub use load_shed::{LoadShed, LoadShedService};
pub use metrics::{JobMetrics, metrics};
pub use publishing::publish_event;
pub use quiet_hours::QuietHours;
pub use state::{State, Values};
pub use step::{DeadSteps, Replied, StepCtx, StepJob};
pub use tally::Tally;
pub use worker::{Worker, WorkerError};
