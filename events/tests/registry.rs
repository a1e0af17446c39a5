//! Values in Confluent's wire format, by a real schema registry.
#![cfg(feature = "schema-registry")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test, a panic with a line number is the report")]

#[path = "registry/bench.rs"]
mod bench;
#[path = "registry/outages.rs"]
mod outages;
#[path = "registry/reading.rs"]
mod reading;
#[path = "registry/writing.rs"]
mod writing;
