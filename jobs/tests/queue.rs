//! The queue on a real Redis, by its public face: `Queue` for what comes in, an apalis worker on a
//! `QueueBackend` for what is done.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test, a panic with a line number is the report")]

#[path = "queue/acting.rs"]
mod acting;
#[path = "queue/apalis.rs"]
mod apalis;
#[path = "queue/batches.rs"]
mod batches;
#[path = "queue/bench.rs"]
mod bench;
#[path = "queue/cancelling.rs"]
mod cancelling;
#[path = "queue/chains.rs"]
mod chains;
#[path = "queue/cluster.rs"]
mod cluster;
#[path = "queue/crowds.rs"]
mod crowds;
#[path = "queue/entering.rs"]
mod entering;
#[path = "queue/faults.rs"]
mod faults;
#[path = "queue/full.rs"]
mod full;
#[path = "queue/handing_off.rs"]
mod handing_off;
#[path = "queue/history.rs"]
mod history;
#[path = "queue/keeping.rs"]
mod keeping;
#[path = "queue/lanes.rs"]
mod lanes;
#[path = "queue/leases.rs"]
mod leases;
#[path = "queue/limits.rs"]
mod limits;
#[path = "queue/looking.rs"]
mod looking;
#[path = "queue/notes.rs"]
mod notes;
#[path = "queue/order.rs"]
mod order;
#[path = "queue/processes.rs"]
mod processes;
#[path = "queue/producer.rs"]
mod producer;
#[path = "queue/pushing.rs"]
mod pushing;
#[path = "queue/putting_back.rs"]
mod putting_back;
#[path = "queue/schedules.rs"]
mod schedules;
#[path = "queue/sentinel.rs"]
mod sentinel;
#[path = "queue/silence.rs"]
mod silence;
#[path = "queue/soak.rs"]
mod soak;
#[path = "queue/stopping.rs"]
mod stopping;
#[path = "queue/tenants.rs"]
mod tenants;
#[path = "queue/unique.rs"]
mod unique;
#[path = "queue/verdicts.rs"]
mod verdicts;
#[path = "queue/worker.rs"]
mod worker;
