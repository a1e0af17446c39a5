//! Effects in PostgreSQL that are there once, and the stock that is kept so.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test, a panic with a line number is the report")]

#[path = "inventory/once.rs"]
mod once;
#[path = "inventory/reserving.rs"]
mod reserving;
#[path = "inventory/showing.rs"]
mod showing;
#[path = "inventory/store.rs"]
mod store;
