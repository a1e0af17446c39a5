//! `millgate routes`: what events come to, without any server.

mod list;
mod test;

use std::path::PathBuf;

use super::{Call, Outcome};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Show the jobs that each type of event comes to
    List,
    /// Show the jobs that these events would come to
    Test {
        /// Events as `millgate publish` takes them, or records: {"topic", "headers", "value"}; `-` is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

pub(super) fn run(call: &Call, command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::List => list::run(call),
        Command::Test { file } => test::run(call, &file),
    }
}
