//! Sagas, on a real PostgreSQL and a real Kafka.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test, a panic with a line number is the report")]

#[path = "saga/bench.rs"]
mod bench;
#[path = "saga/driving.rs"]
mod driving;
#[path = "saga/people.rs"]
mod people;
#[path = "saga/refusals.rs"]
mod refusals;
#[path = "saga/replies.rs"]
mod replies;
#[path = "saga/versions.rs"]
mod versions;
