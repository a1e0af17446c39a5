//! Log lines on their way to topics. Whoever logs never waits: a line that finds no room is dropped, and counted.
//!
//! A line counts against `log_shipping.buffer` from when it is taken until Kafka has answered for it, so that no outage takes more
//! memory than that. What sends them is a thread with a client of its own, which logs nothing that could be shipped: lines about lines
//! would never end.

mod config;
mod shipper;

pub use config::LogShippingConfig;
pub use shipper::{LOG_SHIPPING, LogShipping};
