//! Who may look and act.

mod viewer;

pub use viewer::{Role, Viewer};
