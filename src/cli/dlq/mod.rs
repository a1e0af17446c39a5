//! `millgate dlq`: looking at dead letters, and acting on them.

mod discard;
mod edit;
mod filter;
mod list;
mod many;
mod redrive;
mod row;
mod show;
mod stats;

use millgate_events::{Action, DeadLetterStore as Store, LetterFilter};

use super::{Call, Outcome};
use crate::servers::Servers;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Count dead letters, by what died and why
    Stats(stats::Args),
    /// Show dead letters, a line each, the oldest first
    List(list::Args),
    /// Show all that is known of a letter, and what was done about it
    Show(show::Args),
    /// Let events go through their routes again, and jobs into their queues
    Redrive(redrive::Args),
    /// Decide that letters are not needed; they are kept, and no longer counted
    Discard(discard::Args),
    /// Put another payload over a letter's, for its redrive
    Edit(edit::Args),
}

/// Who acts, and why: both are kept.
#[derive(clap::Args)]
struct Signature {
    /// Who does it
    #[arg(long, value_name = "NAME", env = "USER", required_unless_present = "dry_run")]
    by: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT", required_unless_present = "dry_run")]
    why: Option<String>,
}

impl Signature {
    /// Under what is done to those letters.
    fn under<'a>(&'a self, what: &'a str, filter: &'a LetterFilter) -> Action<'a> {
        let text = |text: &'a Option<String>| text.as_deref().unwrap_or_default();
        Action { what, who: text(&self.by), why: text(&self.why), filter }
    }
}

pub(super) async fn run(call: Call, command: Command) -> anyhow::Result<Outcome> {
    let json = call.json;
    let servers = call.servers()?;
    let Some(store) = servers.letters.clone() else { return Ok(Outcome::Misunderstood(without_table(&servers))) };
    match command {
        Command::Stats(args) => stats::run(&servers, &store, json, args).await,
        Command::List(args) => list::run(&servers, &store, json, args).await,
        Command::Show(args) => show::run(&store, json, args).await,
        Command::Redrive(args) => redrive::run(&servers, store, json, args).await,
        Command::Discard(args) => discard::run(&servers, &store, json, args).await,
        Command::Edit(args) => edit::run(&servers, store, json, args).await,
    }
}

fn without_table(servers: &Servers) -> String {
    let topics = servers.dead_letter_topics.names().join(", ");
    format!(
        "this application has no database, and its dead letters are only on their topic ({topics}); set postgres.url \
         (MILLGATE_POSTGRES_URL) for all its programs, and create the table with `millgate migrate`"
    )
}

/// What a letter's id looks like.
fn letter_id(text: &str) -> Result<uuid::Uuid, String> {
    text.parse().map_err(|_| format!("`{text}` is no letter's id; `millgate dlq list` shows them"))
}

/// Answers that somebody is missing.
fn no_letter(id: uuid::Uuid) -> String {
    format!("there is no letter {id}; `millgate dlq list` shows them")
}
