//! Declared routes: those that stand in the configuration file rather than in code.

mod condition;
mod path;
mod route;
mod template;

pub use condition::Condition;
pub use path::Path;
pub use route::{DeclaredJob, DeclaredRoute, Deed};
pub use template::{Piece, Place, Template, Unfilled};
