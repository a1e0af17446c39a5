//! Log lines, for people or for machines.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::{Layer, Registry, filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::{LogConfig, LogFormat};

/// Sends log lines to standard error. `quiet` is the level of commands that talk to people by themselves.
pub(crate) fn start(config: &LogConfig, quiet: bool) {
    let directives = if quiet && config.level == "info" { "warn" } else { config.level.as_str() };
    // By target and level only: a filter by span would have to be asked at each span, and each job has one.
    let targets: Targets = directives.parse().unwrap_or_else(|_| Targets::new().with_default(tracing::Level::INFO));
    let lines = tracing_subscriber::fmt::layer().with_writer(stderr);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match config.format {
        LogFormat::Human => lines.with_ansi(stderr().is_terminal()).with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    // Fails only when a subscriber is there already, as in a test; then that one stays.
    let _ = tracing_subscriber::registry().with(lines).with(targets).try_init();
}
