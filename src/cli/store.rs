//! `millgate store`: streams of the event store, and what happened in one.

use std::fmt::Write;

use millgate_events::{StoredEvent, StreamId};
use serde_json::Value;

use super::{Call, Outcome, answer, moment, outbox};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// List streams, by name
    Streams(StreamsArgs),
    /// Show a stream's events
    Show(ShowArgs),
}

#[derive(clap::Args)]
pub(super) struct StreamsArgs {
    /// Only those whose names begin so: `account-`
    #[arg(value_name = "PREFIX", default_value = "")]
    prefix: String,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u32,
}

#[derive(clap::Args)]
pub(super) struct ShowArgs {
    /// The stream: `account-17`
    #[arg(value_name = "STREAM")]
    stream: StreamId,
    /// From this version on
    #[arg(long, value_name = "VERSION", default_value_t = 1)]
    from: i64,
}

pub(super) async fn run(call: Call, command: Command) -> anyhow::Result<Outcome> {
    let json = call.json;
    let servers = call.servers()?;
    if servers.outbox().is_none() {
        return Ok(Outcome::Misunderstood(outbox::without_table()));
    }
    let store = servers.event_store();
    let mut text = String::new();
    match command {
        Command::Streams(StreamsArgs { prefix, limit }) => {
            let streams = store.streams(&prefix, limit).await?;
            if json {
                text = serde_json::to_string_pretty(&streams)? + "\n";
            }
            for stream in streams.iter().filter(|_| !json) {
                writeln!(
                    text,
                    "{:<40} {:>8} events since {}",
                    stream.stream,
                    stream.version,
                    moment::point(stream.created)
                )?;
            }
        }
        Command::Show(ShowArgs { stream, from }) => {
            let events = store.load(&stream, from).await?;
            if events.is_empty() {
                let message =
                    format!("stream {stream} has no events from version {from} on; `millgate store streams` lists all");
                return Ok(Outcome::Misunderstood(message));
            }
            let mask = servers.mask();
            let mut shown = Vec::new();
            for event in &events {
                let mut data: Value = serde_json::from_str(event.data())?;
                mask.apply_to_event(&event.event_type, &mut data);
                let mut event_json = serde_json::to_value(event)?;
                event_json["data"] = data.clone();
                shown.push(event_json);
                writeln!(text, "{}", line(event, &data))?;
            }
            if json {
                text = serde_json::to_string_pretty(&shown)? + "\n";
            }
        }
    }
    answer::write(&text)?;
    Ok(Outcome::Well)
}

fn line(event: &StoredEvent, data: &Value) -> String {
    let StoredEvent { version, time, event_type, type_version, .. } = event;
    let by = event.metadata().user.map(|user| format!("  by {user}")).unwrap_or_default();
    format!("{version:>6}  {}  {event_type} v{type_version}{by}  {data}", moment::point(*time))
}
