//! The queue on a real Redis, by its public face: `Queue` for what comes in, an apalis worker on a
//! `QueueBackend` for what is done.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test, a panic with a line number is the report")]

#[path = "queue/bench.rs"]
mod bench;
#[path = "queue/cancelling.rs"]
mod cancelling;
#[path = "queue/cluster.rs"]
mod cluster;
#[path = "queue/entering.rs"]
mod entering;
#[path = "queue/faults.rs"]
mod faults;
#[path = "queue/full.rs"]
mod full;
#[path = "queue/leases.rs"]
mod leases;
#[path = "queue/order.rs"]
mod order;
#[path = "queue/schedules.rs"]
mod schedules;
#[path = "queue/sentinel.rs"]
mod sentinel;
#[path = "queue/soak.rs"]
mod soak;
#[path = "queue/stopping.rs"]
mod stopping;
#[path = "queue/verdicts.rs"]
mod verdicts;
#[path = "queue/worker.rs"]
mod worker;
