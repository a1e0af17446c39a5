//! Handlers, the worker that runs them, and what becomes of dead jobs: on a real Redis, and a real Kafka.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test, a panic with a line number is the report")]

// What the derive macros write names `::millgate`; here that is the crate the trait comes from.
extern crate millgate_jobs as millgate;

#[path = "worker/batches.rs"]
mod batches;
#[path = "worker/bench.rs"]
mod bench;
#[path = "worker/burying.rs"]
mod burying;
#[path = "worker/calling.rs"]
mod calling;
#[path = "worker/calling_off.rs"]
mod calling_off;
#[path = "worker/classifying.rs"]
mod classifying;
#[path = "worker/declaring.rs"]
mod declaring;
#[path = "worker/deploying.rs"]
mod deploying;
#[path = "worker/layering.rs"]
mod layering;
#[path = "worker/publishing.rs"]
mod publishing;
#[path = "worker/running.rs"]
mod running;
#[path = "worker/stopping.rs"]
mod stopping;
#[path = "worker/taking.rs"]
mod taking;
