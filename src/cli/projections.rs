//! `millgate projections`: the role that keeps read models up to date, how far each is, and rebuilding one.

use std::{fmt::Write, sync::Arc, time::Duration};

use millgate_events::{ProjectionState, ProjectionStatus, ProjectionStore, StoreError};
use serde_json::json;

use super::{Call, Outcome, answer, moment, outbox};
use crate::{
    health::{Health, Probe},
    http::HttpServer,
    lifecycle::stop_on_signal,
    servers::Servers,
};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Keep all of them up to date until told to stop, and build those that are new
    Run,
    /// Show how far each is, and why one stands still
    List,
    /// Build one anew beside the one that is read, which it replaces once it has caught up
    Rebuild(RebuildArgs),
    /// Remove one that the application has no more, with its tables
    Remove(RemoveArgs),
}

#[derive(clap::Args)]
pub(super) struct RebuildArgs {
    /// Which
    #[arg(value_name = "NAME")]
    name: String,
    /// Begin at the beginning if one is under way
    #[arg(long)]
    anew: bool,
}

#[derive(clap::Args)]
pub(super) struct RemoveArgs {
    /// Which
    #[arg(value_name = "NAME")]
    name: String,
}

pub(super) async fn run(call: Call, command: Command) -> anyhow::Result<Outcome> {
    let json = call.json;
    let servers = call.servers()?;
    if servers.outbox().is_none() {
        return Ok(Outcome::Misunderstood(outbox::without_table()));
    }
    if servers.projections.is_empty() && matches!(command, Command::Run) {
        let nothing = "this application has no projections; add some by App::projection(…)";
        return Ok(Outcome::Misunderstood(nothing.to_owned()));
    }
    let store = ProjectionStore::new(servers.database.clone());
    match command {
        Command::Run => role(&servers).await,
        Command::List => list(&servers, &store.list().await?, json),
        Command::Remove(RemoveArgs { name }) => match store.remove(&servers.projections, &name).await {
            Ok(true) => {
                answer::act(json, &json!({ "removed": name }), &format!("{name} and its tables are removed"), &[])?;
                Ok(Outcome::Well)
            }
            Ok(false) => Ok(Outcome::Misunderstood(format!("there is no projection `{name}`"))),
            Err(error @ StoreError::Projection { .. }) => Ok(Outcome::Misunderstood(error.to_string())),
            Err(error) => Err(error.into()),
        },
        Command::Rebuild(RebuildArgs { name, anew }) => match store.rebuild(&servers.projections, &name, anew).await {
            Ok(build) => {
                let text = format!("{name} is built anew, as build {build}, by `millgate projections run`");
                answer::act(json, &json!({ "projection": name, "build": build }), &text, &[])?;
                Ok(Outcome::Well)
            }
            Err(error @ StoreError::Projection { .. }) => Ok(Outcome::Misunderstood(error.to_string())),
            Err(error) => Err(error.into()),
        },
    }
}

fn list(servers: &Servers, all: &[ProjectionStatus], json: bool) -> anyhow::Result<Outcome> {
    if json {
        answer::write(&format!("{}\n", serde_json::to_string_pretty(all)?))?;
        return Ok(outcome(all));
    }
    let mut text = String::new();
    for name in servers.projections.names().filter(|name| all.iter().all(|status| status.name != *name)) {
        writeln!(text, "{name}  has no tables yet: `millgate projections run`")?;
    }
    for status in all {
        let ProjectionStatus { name, version, build, applied, lag, .. } = status;
        let state = match status.state {
            ProjectionState::Live => "live",
            ProjectionState::Building => "being built",
        };
        write!(text, "{name}  {state}, version {version}, build {build}: {applied} events applied, ")?;
        match u64::try_from(*lag).unwrap_or_default() {
            0 => writeln!(text, "up to date since {}", moment::point(status.moved))?,
            lag => writeln!(text, "{lag} behind, for {}", moment::span(Duration::from_secs_f64(status.lag_seconds)))?,
        }
        if let Some(error) = &status.error {
            writeln!(text, "    stands still: {error}")?;
        }
    }
    answer::write(&text)?;
    Ok(outcome(all))
}

fn outcome(all: &[ProjectionStatus]) -> Outcome {
    if all.iter().any(|status| status.error.is_some()) { Outcome::NotWell } else { Outcome::Well }
}

async fn role(servers: &Servers) -> anyhow::Result<Outcome> {
    let stop = stop_on_signal()?;
    let runner = servers.projection_runner();
    let mut health = Health::of_role(stop.clone());
    health.of_projections(&runner, Probe::postgres(&servers.database));
    let health = Arc::new(health);
    let _http =
        HttpServer::start(&servers.config.http, health.clone(), servers.metrics(&["projections"], Vec::new())).await?;
    let reporting = servers.reporter(&["projections"], &stop).start(Some(health));
    runner.run(stop).await;
    reporting.end().await;
    Ok(Outcome::Well)
}
