//! The dashboard in a real browser: every page and every action, on real servers with real traffic.

mod events;
mod frame;
mod world;
