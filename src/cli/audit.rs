//! `millgate audit`: what operators did; and the audit log of events.

use millgate_dashboard::{
    act::{self, ActError, Entry, Via},
    see,
};

use super::{
    Call, Outcome, answer,
    audit_log::{self, ExpireArgs, SearchArgs, VerifyArgs},
    moment::point,
    operator::operator,
};

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Operators: show what they did, the newest first
    List(ListArgs),
    /// Operators: undo what was done, where that can be
    Undo(UndoArgs),
    /// Events: search the audit log, what happened last first
    Search(SearchArgs),
    /// Events: prove that nothing in the audit log was changed; exit code 1 if something was
    Verify(VerifyArgs),
    /// Events: drop the audit log's old months
    Expire(ExpireArgs),
}

#[derive(clap::Args)]
struct ListArgs {
    /// Show at most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Only what was done before this one
    #[arg(long, value_name = "ID")]
    before: Option<String>,
}

#[derive(clap::Args)]
struct UndoArgs {
    /// Its id, as `millgate audit` shows it
    #[arg(value_name = "ID")]
    id: String,
}

pub(super) async fn run(call: Call, args: Args) -> anyhow::Result<Outcome> {
    let json = call.json;
    let servers = call.servers()?;
    let (site, keep) = (servers.site(), servers.config.audit.keep);
    let logs = || site.audit_logs.clone().ok_or_else(see::no_audit_log);
    match args.command.unwrap_or(Command::List(ListArgs { limit: 50, before: None })) {
        Command::List(ListArgs { limit, before }) => {
            let entries = match act::entries(&site, before.as_deref(), limit as usize).await {
                Err(ActError::Refused(message)) => return Ok(Outcome::Misunderstood(message)),
                entries => entries?,
            };
            let text = if json { serde_json::to_string_pretty(&entries)? } else { table(&entries) };
            answer::write(&format!("{text}\n"))?;
            Ok(Outcome::Well)
        }
        Command::Search(args) => audit_log::search(&site, json, args).await,
        Command::Verify(args) => match logs() {
            Ok(logs) => audit_log::verify(&logs, json, args).await,
            Err(message) => Ok(Outcome::Misunderstood(message)),
        },
        Command::Expire(args) => match logs() {
            Ok(logs) => audit_log::expire(&logs, json, keep, args).await,
            Err(message) => Ok(Outcome::Misunderstood(message)),
        },
        Command::Undo(UndoArgs { id }) => {
            let performed = match act::undo(&site, &operator(), &id).await {
                Ok(performed) => performed,
                Err(ActError::Gone(message) | ActError::Refused(message)) => {
                    return Ok(Outcome::Misunderstood(message));
                }
                Err(error) => return Err(error.into()),
            };
            answer::act(json, &performed, &performed.text, &performed.refused)?;
            Ok(if performed.refused.is_empty() { Outcome::Well } else { Outcome::NotWell })
        }
    }
}

fn table(entries: &[Entry]) -> String {
    if entries.is_empty() {
        return "nobody has done anything yet".to_owned();
    }
    let line = |entry: &Entry| {
        let via = match entry.via {
            Via::Page => "page",
            Via::Api => "API",
            Via::CommandLine => "command line",
        };
        let undo = match (&entry.undone_by, &entry.undo) {
            (Some(who), _) => format!("; undone by {who}"),
            (None, Some(_)) => format!("; `millgate audit undo {}` undoes it", entry.id),
            (None, None) => String::new(),
        };
        format!("{}  {}  {:<12}  {:<12}  {}{undo}", entry.id, point(entry.at), entry.who, via, entry.text)
    };
    entries.iter().map(line).collect::<Vec<_>>().join("\n")
}
