//! `millgate outbox`: what waits in the outbox, what Kafka refuses of it, and what to do about that.

use millgate_events::{Backlog, OutboxStore, StuckKey};
use serde_json::json;
use uuid::Uuid;

use super::{Call, Outcome, answer, moment};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Show how much waits, and each key whose first event Kafka refuses
    List,
    /// Let refused events be tried again at once, dead ones too
    Retry(RetryArgs),
    /// Remove a refused event for good, so that its key goes on without it
    Discard(DiscardArgs),
}

#[derive(clap::Args)]
pub(super) struct RetryArgs {
    /// Ids of the events
    #[arg(value_name = "ID", required_unless_present = "all")]
    ids: Vec<Uuid>,
    /// All that are refused
    #[arg(long, conflicts_with = "ids")]
    all: bool,
}

#[derive(clap::Args)]
pub(super) struct DiscardArgs {
    /// The event's id
    #[arg(value_name = "ID")]
    id: Uuid,
}

/// There is no outbox without a database.
pub(super) fn without_table() -> String {
    "this application has no database, and so no outbox; set postgres.url (MILLGATE_POSTGRES_URL) for all its programs, \
     and create the tables with `millgate migrate`"
        .to_owned()
}

pub(super) async fn run(call: Call, command: Command) -> anyhow::Result<Outcome> {
    let json = call.json;
    let servers = call.servers()?;
    let Some(outbox) = servers.outbox() else { return Ok(Outcome::Misunderstood(without_table())) };
    match command {
        Command::List => list(&outbox, json).await,
        Command::Retry(args) => {
            let retried = outbox.retry((!args.all).then_some(&args.ids)).await?;
            let missing = if args.all { 0 } else { (args.ids.len() as u64).saturating_sub(retried) };
            let refused =
                (missing > 0).then(|| format!("{missing} of these are not refused; see `millgate outbox list`"));
            let refused: Vec<String> = refused.into_iter().collect();
            answer::act(json, &json!({ "retried": retried }), &format!("{retried} events are tried again"), &refused)?;
            Ok(if refused.is_empty() { Outcome::Well } else { Outcome::NotWell })
        }
        Command::Discard(args) => {
            if !outbox.discard(args.id).await? {
                let message = format!("no event {} is refused; `millgate outbox list` shows those that are", args.id);
                return Ok(Outcome::Misunderstood(message));
            }
            answer::act(json, &json!({ "discarded": 1 }), "1 event is discarded; its key goes on", &[])?;
            Ok(Outcome::Well)
        }
    }
}

async fn list(outbox: &OutboxStore, json: bool) -> anyhow::Result<Outcome> {
    let (backlog, stuck) = (outbox.backlog().await?, outbox.stuck().await?);
    if json {
        let text = serde_json::to_string_pretty(&json!({
            "waiting": backlog.waiting, "oldest": backlog.oldest, "stuck": stuck,
        }))?;
        answer::write(&format!("{text}\n"))?;
        return Ok(Outcome::Well);
    }
    let lines: Vec<String> = std::iter::once(head(&backlog)).chain(stuck.iter().map(line)).collect();
    answer::write(&format!("{}\n", lines.join("\n")))?;
    Ok(Outcome::Well)
}

fn head(backlog: &Backlog) -> String {
    match backlog.oldest {
        Some(oldest) => format!("{} events wait, the oldest since {}", backlog.waiting, moment::point(oldest)),
        None => "no events wait".to_owned(),
    }
}

fn line(stuck: &StuckKey) -> String {
    let StuckKey { id, topic, key, tries, behind, error, .. } = stuck;
    let state = match stuck.next_try {
        None => "dead".to_owned(),
        Some(next) => format!("again at {}", moment::point(next)),
    };
    format!("{id}  {state}, refused {tries} times: {topic}, key {key}, {behind} wait behind it\n    {error}")
}
