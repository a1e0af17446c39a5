//! Faults in the middle of traffic: every event that was published is one job of each kind, whatever is killed, frozen,
//! cut off or put back in time. `make test-faults` runs the long form; the short one is part of `make test`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic with a line number is the report")]

mod bridges;
mod cluster;
mod dead_letters;
mod kafka;
mod ledger;
mod redis;
mod traffic;
mod world;

/// How often a fault is repeated: in the short form, and in the long one.
fn rounds(short: usize, long: usize) -> usize {
    if std::env::var_os("MILLGATE_FAULTS").is_some_and(|form| form == "long") { long } else { short }
}
