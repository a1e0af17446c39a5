//! Whole flows: the `millgate` program as its users run it, on real servers.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic with a line number is the report")]

mod bench;
mod command_line;
mod demo;
mod enqueueing;
mod example;
mod hand_off;
mod jobs_command;
mod kills;
mod outages;
mod routes;
mod shop;
mod stopping;
mod testing;
