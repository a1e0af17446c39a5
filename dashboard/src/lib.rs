//! See and act: what operators look at and do, as pages and as an API.
//!
//! Data flows one way. [`see`] looks things up and gives plain data; [`act`] does what an operator wants, and writes down
//! who did it; [`web`] makes pages and JSON of both, and the command line prints them. [`access`] says who may.

pub mod access;
pub mod act;
pub mod config;
mod event_registry;
pub mod see;
mod site;
pub mod web;

pub use config::DashboardConfig;
pub use event_registry::{EventRegistry, EventType};
pub use site::{Follower, ProjectionSite, Reader, Site};
