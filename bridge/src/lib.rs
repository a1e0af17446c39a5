//! When this, do that: routes from events to jobs, and the hand-off from Kafka to Redis.
//!
//! A [`Route`] is a pure function from a typed event to jobs and cancels; [`Routes`] is the table of all;
//! [`Bridge`] takes events off their topics, hands the jobs off, and only then lets the offsets be committed.

mod bridge;
mod config;
mod declared;
mod expectations;
mod hand_off;
mod judge;
mod noting;
mod outline;
mod partition;
mod plan;
mod received;
mod route;
mod routes;
pub mod saga;
mod share;
mod stats;
mod trouble;
mod watch;
mod watermarks;

pub use bridge::{Bridge, BridgeError};
pub use config::{BridgeConfig, WhenRedisIsEmpty};
pub use declared::{Condition, DeclaredJob, DeclaredRoute, Deed, Path, Piece, Place, Template, Unfilled};
pub use outline::{Action, Outline};
pub use plan::{Plan, Poison};
pub use received::Received;
pub use route::{Route, on};
pub use routes::{RouteTable, Routes};
pub use stats::{BridgeCounts, BridgeStats, TopicCounts};
pub use watermarks::{Choice, Finding, WatermarkError, WatermarkState, Watermarks};
