//! The dashboard in a real browser: every page and every action, on real servers with real traffic.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what goes wrong here is a test that fails; a panic says where"
)]

#[path = "../flows/shop.rs"]
mod shop;

mod events;
mod frame;
mod world;
