//! Why something was not done.

use crate::access::Role;

/// Why something was not done, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActError {
    /// The actor may not.
    #[error("{name} may not {action}: that needs the role {needs:?}; ask who gives out the roles (docs/access.md)")]
    Forbidden {
        /// Who it was.
        name: String,
        /// What they lack.
        needs: Role,
        /// What they wanted.
        action: String,
    },
    /// It cannot be meant, or not now.
    #[error("{0}")]
    Refused(String),
    /// What it is about is not there any more.
    #[error("{0}")]
    Gone(String),
    /// A server did not do it.
    #[error("{0}")]
    Away(String),
}
