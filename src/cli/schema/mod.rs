//! `millgate schema`: the shapes of events, for others to read, and whether a change of them breaks anybody.

mod check;
mod export;
mod form;

pub(super) use check::check;

use super::{Call, Outcome};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Write a JSON Schema for each event, or one AsyncAPI document of all topics; needs no server
    Export(export::Args),
    /// Compare schemas, and find what would break readers; needs no server and no configuration
    Check(check::Args),
}

pub(super) fn run(call: Call, command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::Export(args) => export::run(call, &args),
        Command::Check(args) => check(call.json, &args),
    }
}
