//! Changes that Debezium tells: made by hand, and by a real one.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test, a panic with a line number is the report")]

mod caches;
mod debezium;
mod events;
mod odd_records;
mod order;
mod rig;
mod rows;
