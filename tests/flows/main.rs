//! Whole flows: the `millgate` program as its users run it, on real servers.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic with a line number is the report")]

mod access;
mod audit;
mod bench;
mod browser;
mod changes;
mod claims;
mod command_line;
mod dashboard;
mod dead_letters;
mod demo;
mod dlq_command;
mod enqueueing;
mod example;
mod groups;
mod hand_off;
mod http;
mod inventory;
mod jobs_command;
mod kills;
mod log_shipping;
mod mail;
mod metrics;
mod monitoring;
mod outages;
mod outbox;
mod processes;
mod projections;
mod reminders;
mod replay;
mod routes;
mod sagas;
mod schema;
mod schema_registry;
mod shop;
mod stopping;
mod summary;
mod testing;
mod topics;
mod tracing;
mod trail;
mod watermarks;
mod windows;
