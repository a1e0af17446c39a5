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

use millgate_dashboard::{
    access::Viewer,
    act::{Actor, Via},
    see::no_letters,
};
use millgate_events::DeadLetterStore as Store;

use super::{Call, Outcome};

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
    fn actor(&self) -> Actor {
        Actor { viewer: Viewer::everything(self.by.as_deref().unwrap_or_default()), via: Via::CommandLine }
    }

    fn why(&self) -> String {
        self.why.clone().unwrap_or_default()
    }
}

pub(super) async fn run(call: Call, command: Command) -> anyhow::Result<Outcome> {
    let json = call.json;
    let site = call.servers()?.site();
    let Some(store) = site.letters.clone() else { return Ok(Outcome::Misunderstood(no_letters(&site))) };
    match command {
        Command::Stats(args) => stats::run(&site, &store, json, args).await,
        Command::List(args) => list::run(&site, json, args).await,
        Command::Show(args) => show::run(&site, json, args).await,
        Command::Redrive(args) => redrive::run(&site, &store, json, args).await,
        Command::Discard(args) => discard::run(&site, &store, json, args).await,
        Command::Edit(args) => edit::run(&site, json, args).await,
    }
}

/// What a letter's id looks like.
fn letter_id(text: &str) -> Result<uuid::Uuid, String> {
    text.parse().map_err(|_| format!("`{text}` is no letter's id; `millgate dlq list` shows them"))
}
