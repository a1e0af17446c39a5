//! `millgate saga`: drives sagas, shows them, and does what only people can decide.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use millgate_bridge::saga::{SagaDetail, SagaError, SagaFilter, SagaRow, SagaStatus, SagaStore, StepView};
use millgate_dashboard::act::{self, ActError, Action, Performed, Work};
use serde_json::json;
use uuid::Uuid;

use super::{Call, Outcome, answer, moment::point, operator::operator};
use crate::{health::Health, http::HttpServer, lifecycle::stop_on_signal};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Drive sagas: read replies, watch timers, send commands; any number of these may run
    Run,
    /// List sagas, the newest first
    List(ListArgs),
    /// Show a saga: its steps, its state, and what happened when
    Show(Name),
    /// Try again now what waits for it, or is stuck
    Retry(Name),
    /// Take back what a saga has done, whether it runs or is completed
    Compensate(Reasoned),
    /// Say that what is stuck was taken back by hand; the saga goes on from there
    Resolve(ResolveArgs),
}

#[derive(clap::Args)]
pub(super) struct ListArgs {
    /// Only of these: running, compensating, stuck, completed, compensated
    #[arg(long, value_delimiter = ',', value_name = "STATUS", value_parser = status)]
    status: Vec<SagaStatus>,
    /// Only of this name
    #[arg(long, value_name = "NAME")]
    saga: Option<String>,
    /// Only about this: an order's id
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Where the page before ended
    #[arg(long, value_name = "PLACE")]
    after: Option<String>,
}

#[derive(clap::Args)]
pub(super) struct Name {
    /// The saga's id, or its key where only one has that
    #[arg(value_name = "ID")]
    id: String,
}

#[derive(clap::Args)]
pub(super) struct Reasoned {
    #[command(flatten)]
    name: Name,
    /// Why, for the timeline and the audit
    #[arg(long, value_name = "TEXT")]
    why: String,
}

#[derive(clap::Args)]
pub(super) struct ResolveArgs {
    #[command(flatten)]
    of: Reasoned,
    /// Only this step, or compensation; all that are stuck if none is named
    #[arg(long, value_name = "STEP")]
    step: Option<String>,
}

fn status(text: &str) -> Result<SagaStatus, String> {
    let names = || SagaStatus::ALL.map(SagaStatus::as_str).join(", ");
    SagaStatus::named(text).ok_or_else(|| format!("there are: {}", names()))
}

const NONE: &str = "this application has no sagas, or no database to keep them in; add App::saga(…), set postgres.url \
    (MILLGATE_POSTGRES_URL), and create the tables with `millgate migrate`";

pub(super) async fn run(call: Call, command: Command) -> anyhow::Result<Outcome> {
    let json = call.json;
    if let Command::Run = command {
        return drive(call).await;
    }
    let servers = call.servers()?;
    let Some(store) = servers.sagas() else { return Ok(Outcome::Misunderstood(NONE.into())) };
    let name = match &command {
        Command::Run => return Ok(Outcome::Well),
        Command::List(args) => return list(&store, args, json).await,
        Command::Show(name) | Command::Retry(name) => name,
        Command::Compensate(args) => &args.name,
        Command::Resolve(args) => &args.of.name,
    };
    let Some(mut detail) = store.find(&name.id).await? else {
        let message = format!("there is no saga {}, or several are about it; see `millgate saga list --key`", name.id);
        return Ok(Outcome::Misunderstood(message));
    };
    detail.state = servers.mask().shown_in_saga(detail.state);
    let Some(action) = command.action(detail.row.id) else { return show(&detail, json) };
    match act::perform(&servers.site(), &operator(), &action, &Work::new()).await {
        Ok(Performed { text, .. }) if json => println!("{}", json!({ "saga": detail.row.id, "text": text })),
        Ok(Performed { text, .. }) => println!("{text}"),
        Err(error @ (ActError::Gone(_) | ActError::Refused(_))) => {
            return Ok(Outcome::Misunderstood(error.to_string()));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(Outcome::Well)
}

impl Command {
    /// What is to be done to a saga, if anything is.
    fn action(&self, saga: Uuid) -> Option<Action> {
        Some(match self {
            Self::Run | Self::List(_) | Self::Show(_) => return None,
            Self::Retry(_) => Action::RetrySaga { saga },
            Self::Compensate(args) => Action::CompensateSaga { saga, why: args.why.clone() },
            Self::Resolve(args) => Action::ResolveSaga { saga, step: args.step.clone(), why: args.of.why.clone() },
        })
    }
}

/// The role.
async fn drive(call: Call) -> anyhow::Result<Outcome> {
    let stop = stop_on_signal()?;
    let servers = call.servers()?;
    if servers.sagas().is_none() {
        return Ok(Outcome::Misunderstood(NONE.into()));
    }
    servers.check_dead_letters();
    let orchestrator = servers.orchestrator()?;
    let mut health = Health::of_role(stop.clone());
    health.of_orchestrator(&orchestrator, &servers);
    let health = Arc::new(health);
    let _http = HttpServer::start(&servers.config.http, health.clone(), servers.metrics(&["saga"], Vec::new())).await?;
    let reporting = servers.reporter(&["saga"], &stop).start(Some(health));
    let outcome = orchestrator.run(stop).await;
    reporting.end().await;
    outcome?;
    Ok(Outcome::Well)
}

async fn list(store: &SagaStore, args: &ListArgs, json: bool) -> anyhow::Result<Outcome> {
    let filter = SagaFilter { statuses: args.status.clone(), saga: args.saga.clone(), key: args.key.clone() };
    let page = match store.list(&filter, args.after.as_deref(), args.limit as usize).await {
        Err(error @ SagaError::Place(_)) => return Ok(Outcome::Misunderstood(error.to_string())),
        page => page?,
    };
    if json {
        answer::write(&format!("{}\n", serde_json::to_string_pretty(&page)?))?;
        return Ok(Outcome::Well);
    }
    let mut lines: Vec<String> = page.sagas.iter().map(line).collect();
    if lines.is_empty() {
        lines.push("no such sagas".to_owned());
    }
    lines.extend(page.next.map(|next| format!("more: --after {next}")));
    answer::write(&format!("{}\n", lines.join("\n")))?;
    Ok(Outcome::Well)
}

fn line(row: &SagaRow) -> String {
    let name = format!("{}@{}", row.saga, row.version);
    let mut parts = vec![format!("{} of {} steps", row.done, row.steps)];
    parts.extend(row.at.as_ref().map(|(step, status)| format!("{step} {}", status.as_str())));
    parts.extend(row.cause.as_ref().map(|cause| {
        let step = cause.step.as_ref().map(|step| format!("{step}: ")).unwrap_or_default();
        format!("{step}{} {}", cause.code, cause.message)
    }));
    if !row.is_known {
        parts.push("waits for a program that has this version".to_owned());
    }
    let began = point(row.started_at);
    format!("{}  {name:<14} {:<16} {:<12} {began}  {}", row.id, row.key, row.status.as_str(), parts.join("; "))
}

fn show(detail: &SagaDetail, json: bool) -> anyhow::Result<Outcome> {
    if json {
        answer::write(&format!("{}\n", serde_json::to_string_pretty(detail)?))?;
        return Ok(Outcome::Well);
    }
    let mut lines = vec![line(&detail.row)];
    lines.push(format!("  correlation {}  (millgate trace {})", detail.correlation_id, detail.correlation_id));
    lines.push(format!("  state {}", detail.state));
    if detail.parked > 0 {
        lines.push(format!("  {} replies wait for a program that has its definition", detail.parked));
    }
    lines.push(String::new());
    lines.extend(detail.progress.iter().map(of_step));
    lines.push(String::new());
    lines.extend(detail.timeline.iter().map(|entry| {
        let step = entry.step.as_deref().unwrap_or_default();
        format!("  {}  {:<12} {step:<24} {}", exact(entry.at), entry.what.as_str(), entry.detail).trim_end().to_owned()
    }));
    answer::write(&format!("{}\n", lines.join("\n")))?;
    Ok(Outcome::Well)
}

fn of_step(step: &StepView) -> String {
    let back =
        step.compensation.as_ref().map_or_else(|| "nothing takes it back".to_owned(), |it| format!("back by {it}"));
    let due = step.due.map(|due| format!(", until {}", exact(due))).unwrap_or_default();
    let failure = step.failure.as_ref().map(|cause| format!("; {}: {}", cause.code, cause.message)).unwrap_or_default();
    let tries = if step.tries > 1 { format!(", {} tries", step.tries) } else { String::new() };
    let stage = step.stage.map(|stage| (stage + 1).to_string()).unwrap_or_default();
    format!("  {stage:>2} {:<24} {:<14} {back}{tries}{due}{failure}", step.name, step.status.as_str())
}

fn exact(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
