//! `millgate streams`: the role that folds records into tables, how far each stream is, and beginning again.

use std::sync::Arc;

use millgate_streams::{Stream, StreamPosition, StreamRunner};
use tokio::task::JoinSet;

use super::{Call, Outcome, moment};
use crate::{health::Health, http::HttpServer, lifecycle::stop_on_signal, servers::Servers};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Run them until told to stop
    Run(RunArgs),
    /// Show how far each is in each partition
    List,
    /// Forget how far one is, so that it goes on from its group's offsets; what it has written stays
    Reset(ResetArgs),
}

#[derive(clap::Args)]
pub(super) struct RunArgs {
    /// Which; all if none is named
    #[arg(value_name = "STREAM")]
    names: Vec<String>,
}

#[derive(clap::Args)]
pub(super) struct ResetArgs {
    /// Which
    #[arg(value_name = "STREAM")]
    name: String,
}

const NONE: &str = "this application has no streams; add some by App::stream(…)";

pub(super) async fn run(call: Call, command: Command) -> anyhow::Result<Outcome> {
    let json = call.json;
    let servers = call.servers()?;
    let streams = servers.streams();
    match command {
        Command::Run(args) => {
            if let Some(unknown) = args.names.iter().find(|name| !is_one(&streams, name)) {
                return Ok(Outcome::Misunderstood(no_stream(&streams, unknown)));
            }
            let wanted = |stream: &Stream| args.names.is_empty() || args.names.iter().any(|name| name == stream.name());
            let chosen: Vec<Stream> = streams.into_iter().filter(wanted).collect();
            if chosen.is_empty() {
                return Ok(Outcome::Misunderstood(NONE.to_owned()));
            }
            role(&servers, chosen).await
        }
        Command::List if streams.is_empty() => {
            eprintln!("{NONE}");
            if json {
                println!("[]");
            }
            Ok(Outcome::Well)
        }
        Command::List => {
            let positions = servers.stream_positions().list().await?;
            if json {
                println!("{}", serde_json::to_string_pretty(&positions)?);
            } else {
                print(&streams, &positions);
            }
            Ok(Outcome::Well)
        }
        Command::Reset(ResetArgs { name }) => {
            if !is_one(&streams, &name) {
                return Ok(Outcome::Misunderstood(no_stream(&streams, &name)));
            }
            let forgotten = servers.stream_positions().forget(&name).await?;
            println!("forgot where {name} was in {forgotten} partitions");
            Ok(Outcome::Well)
        }
    }
}

fn is_one(streams: &[Stream], name: &str) -> bool {
    streams.iter().any(|stream| stream.name() == name)
}

fn no_stream(streams: &[Stream], unknown: &str) -> String {
    if streams.is_empty() {
        return format!("there is no stream `{unknown}`: {NONE}");
    }
    let known: Vec<&str> = streams.iter().map(Stream::name).collect();
    format!("there is no stream `{unknown}`; there are: {}", known.join(", "))
}

fn print(streams: &[Stream], positions: &[StreamPosition]) {
    for stream in streams {
        println!("{}  reads {}", stream.name(), stream.topics().join(" "));
        for position in positions.iter().filter(|position| position.stream == stream.name()) {
            let StreamPosition { topic, partition, next_offset, moved_at, .. } = position;
            println!("  {topic} {partition}  at {next_offset}  moved {}", moment::point(*moved_at));
        }
    }
}

async fn role(servers: &Servers, streams: Vec<Stream>) -> anyhow::Result<Outcome> {
    let stop = stop_on_signal()?;
    let kafka = &servers.config.kafka;
    let mut health = Health::of_role(stop.clone());
    let mut reporter = servers.reporter(&["streams"], &stop);
    let mut runners = Vec::new();
    for stream in streams {
        let topic = stream.topics().first().cloned();
        let runner = StreamRunner::start(stream, kafka, &servers.config.streams, servers.database.clone())?;
        health.of_stream(&runner, kafka, topic.as_deref());
        reporter.of_stream(&runner);
        runners.push(runner);
    }
    let metrics = servers.metrics(&["streams"], Vec::new()).of_streams(&runners);
    let health = Arc::new(health);
    let _http = HttpServer::start(&servers.config.http, health.clone(), metrics).await?;
    let reporting = reporter.start(Some(health));
    let mut running = JoinSet::new();
    for runner in runners {
        running.spawn(runner.run(stop.clone()));
    }
    let mut outcome = Ok(());
    while let Some(ended) = running.join_next().await {
        // One that cannot go on takes the others with it: who runs them all wants to know.
        stop.cancel();
        outcome = outcome.and(ended?);
    }
    reporting.end().await;
    outcome?;
    Ok(Outcome::Well)
}
