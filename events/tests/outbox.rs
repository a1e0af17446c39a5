//! The outbox and its relay, on a real PostgreSQL and a real Kafka.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test, a panic with a line number is the report")]

#[path = "outbox/bench.rs"]
mod bench;
#[path = "outbox/ordering.rs"]
mod ordering;
#[path = "outbox/outages.rs"]
mod outages;
#[path = "outbox/stuck.rs"]
mod stuck;
