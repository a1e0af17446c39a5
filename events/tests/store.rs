//! The event store and its projections, on a real PostgreSQL and a real Kafka.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test, a panic with a line number is the report")]

#[path = "store/accounts.rs"]
mod accounts;
#[path = "store/appending.rs"]
mod appending;
#[path = "store/operating.rs"]
mod operating;
#[path = "store/order.rs"]
mod order;
#[path = "store/projections.rs"]
mod projections;
#[path = "store/rebuilding.rs"]
mod rebuilding;
#[path = "store/repeating.rs"]
mod repeating;
#[path = "store/snapshots.rs"]
mod snapshots;
