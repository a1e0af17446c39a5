//! From topics to queues, on a real Kafka and a real Redis.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test, a panic with a line number is the report")]

#[path = "bridge/bench.rs"]
mod bench;
#[path = "bridge/claims.rs"]
mod claims;
#[path = "bridge/losses.rs"]
mod losses;
#[path = "bridge/outages.rs"]
mod outages;
#[path = "bridge/poison.rs"]
mod poison;
#[path = "bridge/rebalance.rs"]
mod rebalance;
#[path = "bridge/redelivery.rs"]
mod redelivery;
#[path = "bridge/registry.rs"]
mod registry;
#[path = "bridge/replaced.rs"]
mod replaced;
#[path = "bridge/replay.rs"]
mod replay;
#[path = "bridge/routing.rs"]
mod routing;
