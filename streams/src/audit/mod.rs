//! The audit log: every record of some topics in a table that only grows, in chains of hashes.
//!
//! [`Audit`] says what is taken of a record; its stage writes [`AuditLog`]s. [`AuditLogs`] is for those who look: it searches, drops
//! what is old, and verifies that nothing was changed. `docs/audit.md` has it for users, and the format of the hashes.

mod chain;
mod config;
mod entry;
mod expiry;
mod filter;
mod hash;
mod insert;
mod month;
mod reading;
mod rule;
mod settings;
mod stage;
mod store;
mod verify;

pub use chain::AuditHead;
pub use config::AuditConfig;
pub use entry::AuditLog;
pub use expiry::DroppedMonth;
pub use filter::{AuditFilter, AuditPlace};
pub use rule::AuditEvent;
pub use settings::{Audit, AuditSettings, Hide};
pub use store::AuditLogs;
pub use verify::{AuditFinding, AuditFlaw, AuditReport};

/// The name of the stream, and the end of its consumer group.
pub const AUDIT: &str = "audit";
