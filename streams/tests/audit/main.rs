//! The audit log, on a real Kafka and a real PostgreSQL.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test, a panic with a line number is the report")]

mod documented;
mod hostile;
mod months;
mod recording;
mod redelivery;
mod rig;
mod rights;
mod searching;
mod tampering;
