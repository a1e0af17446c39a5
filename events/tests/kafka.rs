//! Producer, consumer and topics on a real Kafka.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test, a panic with a line number is the report")]

#[path = "kafka/bench.rs"]
mod bench;
#[path = "kafka/claims.rs"]
mod claims;
#[path = "kafka/consuming.rs"]
mod consuming;
#[path = "kafka/gaps.rs"]
mod gaps;
#[path = "kafka/groups.rs"]
mod groups;
#[path = "kafka/log_shipping.rs"]
mod log_shipping;
#[path = "kafka/notes.rs"]
mod notes;
#[path = "kafka/outages.rs"]
mod outages;
#[path = "kafka/publishing.rs"]
mod publishing;
#[path = "kafka/replay.rs"]
mod replay;
#[path = "kafka/topics.rs"]
mod topics;
