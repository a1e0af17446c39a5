//! Whole flows: the `millgate` program as its users run it, on real servers.

mod command_line;
mod demo;
mod kills;
mod outages;
mod shop;
mod stopping;
