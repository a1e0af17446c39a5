//! Whether documents of one JSON Schema can be read by another.
//!
//! What is judged is what serde does with what a program writes: whoever writes events writes the fields that its type
//! declares, so an object that lists properties has no others. A change that cannot be judged counts as breaking.

mod change;
mod comparison;
mod document;
mod range;

use serde_json::Value;

pub use change::{Change, Direction};
use comparison::Comparison;

/// Which documents have to be readable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compatibility {
    /// The new type reads what was written by the old one: consumers are updated first.
    #[default]
    Backward,
    /// The old type reads what the new one writes: producers are updated first.
    Forward,
    /// Both.
    Full,
}

/// What is breaking in a change from one schema to another; nothing if the change is compatible.
pub fn breaking_changes(old: &Value, new: &Value, mode: Compatibility) -> Vec<Change> {
    let backward = || Comparison::of(old, new, Direction::Backward);
    let forward = || Comparison::of(new, old, Direction::Forward);
    match mode {
        Compatibility::Backward => backward(),
        Compatibility::Forward => forward(),
        Compatibility::Full => backward().into_iter().chain(forward()).collect(),
    }
}

#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;
