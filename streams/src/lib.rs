//! What it comes to: records folded into tables, each once.
//!
//! A [`Stage`] makes something of the records of some topics. A [`Stream`] is a stage with a name, which is its consumer group, and
//! topics; a [`StreamRunner`] runs it. How far it is in a partition is a row of PostgreSQL that moves in the transaction in which the
//! stage writes: so each record counts once in what is written, whatever dies, and whoever else believes to have the partition.

mod audit;
pub mod changes;
mod comparing;
mod config;
mod error;
mod log_alerts;
mod partition;
mod position;
mod resources;
mod runner;
mod stage;
mod stats;
mod stream;
mod tables;
mod turning;
pub mod windows;

pub use audit::{
    AUDIT, Audit, AuditConfig, AuditEvent, AuditFilter, AuditFinding, AuditFlaw, AuditHead, AuditLog, AuditLogs,
    AuditPlace, AuditReport, AuditSettings, DroppedMonth, Hide,
};
pub use config::StreamConfig;
pub use error::{StageError, StreamError};
pub use log_alerts::{LogAlert, LogAlertConfig, LogAlerts};
pub use position::{StreamPosition, StreamPositions};
pub use resources::Resources;
pub use runner::StreamRunner;
pub use stage::{Clock, Stage, Turn};
pub use stats::{StreamCounts, StreamStats};
pub use stream::Stream;
pub use tables::migrate;
