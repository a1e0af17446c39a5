//! Who acts on the command line.

use millgate_dashboard::{
    access::Viewer,
    act::{Actor, Via},
};

/// Who has the servers' addresses may do everything; the audit has the name of their account.
pub(super) fn operator() -> Actor {
    let name = std::env::var("USER").unwrap_or_else(|_| "somebody".into());
    Actor { viewer: Viewer::everything(name), via: Via::CommandLine }
}
