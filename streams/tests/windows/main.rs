//! Windows, on a real Kafka, a real PostgreSQL and a real Redis.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test, a panic with a line number is the report")]

mod flowing;
mod model;
mod reference;
mod restarts;
mod rig;
