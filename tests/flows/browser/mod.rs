//! The dashboard in a real browser: every page and every action, on real servers with real traffic.

mod acting;
mod events;
mod frame;
mod hostile;
mod pages;
mod world;
