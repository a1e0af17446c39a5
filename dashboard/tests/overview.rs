//! What runs: overview, queues, workers, schedules; as pages, by the API, on a real Redis.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what goes wrong here is a test that cannot be run")]

#[path = "overview/desk.rs"]
mod desk;
#[path = "overview/look.rs"]
mod look;
#[path = "overview/queues.rs"]
mod queues;
#[path = "overview/schedules.rs"]
mod schedules;
#[path = "overview/workers.rs"]
mod workers;
