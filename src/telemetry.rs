//! Log lines, for people or for machines.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat};

/// Sends log lines to standard error. `quiet` is the level of commands that talk to people by themselves.
pub(crate) fn start(config: &LogConfig, quiet: bool) {
    let directives = if quiet && config.level == "info" { "warn" } else { config.level.as_str() };
    let filter = EnvFilter::builder().parse_lossy(directives);
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    // Fails only when a subscriber is there already, as in a test; then that one stays.
    let _ = match config.format {
        LogFormat::Human => lines.with_ansi(stderr().is_terminal()).with_target(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
}
