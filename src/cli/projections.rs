//! `millgate projections`: the role that keeps read models up to date, how far each is, and rebuilding one.

use std::{fmt::Write, sync::Arc, time::Duration};

use millgate_dashboard::act::{self, ActError, Action, Work};
use millgate_events::{ProjectionState, ProjectionStatus, ProjectionStore, StoreError};
use serde_json::json;
use uuid::Uuid;

use super::{Call, Outcome, answer, moment, operator::operator, outbox};
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
    /// Let one pass over the event that it stands still at: its rows are without that from then on
    Skip(SkipArgs),
    /// Remove one that the application has no more, with its tables
    Remove(RemoveArgs),
}

#[derive(clap::Args)]
pub(super) struct SkipArgs {
    /// Which
    #[arg(value_name = "NAME")]
    name: String,
    /// The event, as `projections list` shows it
    #[arg(long, value_name = "ID")]
    event: Uuid,
    /// Why: it is kept
    #[arg(long, visible_alias = "reason", value_name = "TEXT")]
    why: String,
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

/// Said where one was asked for.
pub(super) const NONE: &str = "this application has no projections; add some by App::projection(…)";

pub(super) async fn run(call: Call, command: Command) -> anyhow::Result<Outcome> {
    let json = call.json;
    let servers = call.servers()?;
    if servers.outbox().is_none() {
        return Ok(Outcome::Misunderstood(outbox::without_table()));
    }
    // One that the application had can still be passed over or removed.
    if servers.projections.is_empty() && matches!(command, Command::Run | Command::Rebuild(_)) {
        return Ok(Outcome::Misunderstood(NONE.to_owned()));
    }
    let store = ProjectionStore::new(servers.database.clone());
    match command {
        Command::Run => role(&servers).await,
        Command::List => list(&servers, &store.list().await?, json),
        Command::Skip(SkipArgs { name, event, why }) => {
            let action = Action::SkipEvent { projection: name.clone(), event, why };
            match act::perform(&servers.site(), &operator(), &action, &Work::new()).await {
                Ok(performed) => {
                    let skipped = json!({ "projection": name, "event": event, "text": performed.text });
                    answer::act(json, &skipped, &performed.text, &[])?;
                    Ok(Outcome::Well)
                }
                Err(error @ ActError::Refused(_)) => Ok(Outcome::Misunderstood(error.to_string())),
                Err(error) => Err(error.into()),
            }
        }
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
        let by = status.replay.as_ref().map(|id| format!(" by replay {id}")).unwrap_or_default();
        write!(text, "{name}  {state}{by}, version {version}, build {build}: {applied} events applied, ")?;
        if status.skipped > 0 {
            write!(text, "{} passed over, ", status.skipped)?;
        }
        match u64::try_from(*lag).unwrap_or_default() {
            0 => writeln!(text, "up to date since {}", moment::point(status.moved))?,
            lag => writeln!(text, "{lag} behind, for {}", moment::span(Duration::from_secs_f64(status.lag_seconds)))?,
        }
        if let Some(error) = &status.error {
            writeln!(text, "    stands still: {error}")?;
            text.push_str(&failing(status));
        }
    }
    answer::write(&text)?;
    Ok(outcome(all))
}

/// Which event one fails at, and the ways out.
fn failing(status: &ProjectionStatus) -> String {
    let ProjectionStatus { name, failed_event, failed_type, failed_stream, failed_version, failed_at, .. } = status;
    let (Some(event), Some(event_type), Some(stream), Some(version)) =
        (failed_event, failed_type, failed_stream, failed_version)
    else {
        return String::new();
    };
    let tried = failed_at.map(|at| format!(", last tried at {}", moment::point(at))).unwrap_or_default();
    format!(
        "    that is {event_type}, version {version} of {stream}{tried}: millgate store show {stream} --from {version}\n    mend the \
        code, or what it meets, and it goes on; or, for rows without that event: millgate projections skip {name} --event {event} \
        --why …\n"
    )
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
