//! `millgate events`: records of topics, opened.

mod list;
mod show;

use std::time::Duration;

use millgate_dashboard::see::RecordView;
use millgate_events::{Logs, Record};

use super::{Call, Outcome};
use crate::servers::Servers;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// List records of a topic
    List(list::Args),
    /// Show a record: headers and payload
    Show(show::Args),
}

/// For one question to Kafka.
const QUESTION: Duration = Duration::from_secs(10);

pub(super) async fn run(call: Call, command: Command) -> anyhow::Result<Outcome> {
    let json = call.json;
    let servers = call.servers()?;
    let logs = Logs::new(&servers.config.kafka, QUESTION);
    match command {
        Command::List(args) => list::run(&servers, &logs, json, args).await,
        Command::Show(args) => show::run(&servers, &logs, json, &args).await,
    }
}

async fn open(servers: &Servers, record: Record) -> RecordView {
    let (prefix, mask) = (&servers.config.kafka.topic_prefix, servers.mask());
    RecordView::of(record, prefix, servers.producer.values(), &|of, value| mask.shown(of, value)).await
}
