//! `millgate workers`: the processes that run, and what an operator tells them.

use chrono::{DateTime, Utc};
use millgate_dashboard::act::{self, Action, Performed, Work};
use millgate_jobs::{Order, Process, Trouble};

use super::{Call, Outcome, answer, moment::span, operator::operator};
use crate::servers::Servers;

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Show all processes, whatever their roles
    List,
    /// Let workers take no more jobs; what they have they finish, and they stay
    Quiet(Chosen),
    /// Let them take jobs again
    Resume(Chosen),
    /// Stop processes, as SIGTERM does; whoever runs them may start them again
    Stop(Chosen),
}

#[derive(clap::Args)]
struct Chosen {
    /// Their ids, as `millgate workers` shows them
    #[arg(value_name = "ID", required_unless_present = "all")]
    ids: Vec<String>,
    /// All that work on queues
    #[arg(long, conflicts_with = "ids")]
    all: bool,
}

pub(super) async fn run(call: Call, args: Args) -> anyhow::Result<Outcome> {
    let json = call.json;
    let servers = call.servers()?;
    match args.command.unwrap_or(Command::List) {
        Command::List => list(&servers, json).await,
        Command::Quiet(chosen) => tell(&servers, json, chosen, |process| Action::QuietProcess { process }).await,
        Command::Resume(chosen) => tell(&servers, json, chosen, |process| Action::ResumeProcess { process }).await,
        Command::Stop(chosen) => tell(&servers, json, chosen, |process| Action::StopProcess { process }).await,
    }
}

async fn list(servers: &Servers, json: bool) -> anyhow::Result<Outcome> {
    let processes = servers.queues.processes();
    let (all, now) = (processes.list().await?, processes.now().await?);
    let text = if json {
        format!("{:#}\n", serde_json::to_value(&all)?)
    } else if all.is_empty() {
        "nothing runs: no process has said anything within half a minute; `millgate worker` starts one\n".to_owned()
    } else {
        let lines = all.iter().flat_map(|process| lines(process, now));
        lines.map(|line| line + "\n").collect()
    };
    answer::write(&text)?;
    Ok(Outcome::Well)
}

async fn tell(
    servers: &Servers,
    json: bool,
    chosen: Chosen,
    action: impl Fn(String) -> Action,
) -> anyhow::Result<Outcome> {
    let Chosen { mut ids, all } = chosen;
    if all {
        let working = servers.queues.processes().list().await?.into_iter();
        ids = working.filter(|process| !process.queues.is_empty()).map(|process| process.id).collect();
    }
    let site = servers.site();
    let (mut done, mut refused): (Vec<Performed>, Vec<String>) = (Vec::new(), Vec::new());
    for id in ids {
        match act::perform(&site, &operator(), &action(id), &Work::new()).await {
            Ok(performed) => done.push(performed),
            Err(error) => refused.push(error.to_string()),
        }
    }
    let text = if done.is_empty() && refused.is_empty() {
        "no worker runs".to_owned()
    } else {
        done.iter().map(|performed| performed.text.as_str()).collect::<Vec<_>>().join("\n")
    };
    if json {
        println!("{}", serde_json::json!({ "done": done, "refused": refused }));
    } else {
        answer::write(&if text.is_empty() { text } else { text + "\n" })?;
        for reason in &refused {
            eprintln!("error: {reason}");
        }
    }
    Ok(if refused.is_empty() { Outcome::Well } else { Outcome::NotWell })
}

/// A process, as `millgate workers` shows it.
fn lines(process: &Process, now: DateTime<Utc>) -> Vec<String> {
    let Process { id, roles, host, pid, version, .. } = process;
    let state = state(process).map(|state| format!(", {state}")).unwrap_or_default();
    let up = ago(process.started_at, now);
    let mut lines = vec![format!("{id}  {} on {host}, pid {pid}, {version}, up {up}{state}", roles.join(", "))];
    for queue in &process.queues {
        let asked = queue
            .last_fetch
            .map_or("has asked for none yet".to_owned(), |at| format!("asked for more {} ago", ago(at, now)));
        lines.push(format!(
            "  queue {:<18} {} of {} in hand, {:.0} % busy, {asked}",
            queue.name,
            queue.in_hand,
            queue.concurrency,
            queue.utilisation * 100.0
        ));
    }
    for group in &process.groups {
        let partitions: usize = group.partitions.values().map(Vec::len).sum();
        let done = match &group.stream {
            None => format!("{} events handed off", group.handed_off),
            Some(stream) => format!("{} records in the tables of {stream}", group.handed_off),
        };
        lines.push(format!("  group {:<18} {partitions} partitions, {done}", group.group));
    }
    lines.extend(process.troubles.iter().map(|trouble| format!("  wrong {}", wrong(trouble, now))));
    if process.more_troubles > 0 {
        lines.push(format!("  and {} more things are wrong", process.more_troubles));
    }
    lines
}

/// Whether it rests or ends; nothing, if it just works.
pub(super) fn state(process: &Process) -> Option<&'static str> {
    match (process.order, process.quiet) {
        (Some(Order::Stop), _) => Some("told to stop"),
        (_, true) => Some("quiet: it takes no jobs"),
        (Some(Order::Quiet), false) => Some("told to be quiet"),
        _ => None,
    }
}

/// What is wrong, since when and where: `for 2m: order.created/3: …`.
pub(super) fn wrong(trouble: &Trouble, now: DateTime<Utc>) -> String {
    let place = match (&trouble.topic, trouble.partition) {
        (Some(topic), Some(partition)) => format!("{topic}/{partition}: "),
        (Some(topic), None) => format!("{topic}: "),
        (None, _) => String::new(),
    };
    format!("for {}: {place}{}", ago(trouble.since, now), trouble.text)
}

fn ago(time: DateTime<Utc>, now: DateTime<Utc>) -> String {
    span((now - time).to_std().unwrap_or_default())
}
