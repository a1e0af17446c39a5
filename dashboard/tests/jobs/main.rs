//! Jobs: found, looked at and acted on, as pages and by the API, on a real Redis.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic with a line number is the report")]

mod acting;
mod describing;
mod desk;
mod editing;
mod exporting;
mod finding;
mod looking;
