//! Windows of time over typed events: `docs/windows.md`.
//!
//! `shape`, `cell`, `fold`, `aggregate` and `distinct` are plain computation. `stage` folds the records of a partition and stores
//! what they come to, `partials` has its SQL; `turn` merges what the partitions have into results, and gives these to `sink`s.

mod aggregate;
mod cell;
mod changed;
mod definition;
mod distinct;
mod fold;
mod notices;
mod partials;
mod result;
mod shape;
mod sink;
mod stage;
mod stats;
mod store;
mod turn;

#[cfg(test)]
mod model;

pub use self::{
    aggregate::{Aggregate, Count, Custom, DistinctOf, Extreme, Sum},
    definition::{Aggregated, Windows, WindowsOver},
    distinct::Distinct,
    result::WindowResult,
    stats::{WindowCounts, WindowStats},
    store::{StoredWindow, WindowProgress, WindowStore},
};
