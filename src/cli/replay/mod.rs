//! `millgate replay`: records of topics once more, through routes, onto another topic or into a file.

mod backfill;
mod figures;
mod list;
mod run;
mod show;
mod start;

use millgate_dashboard::act::{self, Action};
use serde_json::json;

use super::{Call, Outcome, operator::operator};

/// Without a command it begins a replay.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    start: start::Args,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Go on with a replay that was stopped or cut off
    Resume(Which),
    /// Show replays, the newest first
    List(list::Args),
    /// Show all that is known of a replay
    Show(Which),
    /// Let a replay stop where it is, whoever runs it
    Stop(Which),
    /// Let a group that is new begin with events from before it was there
    Backfill(backfill::Args),
}

#[derive(clap::Args)]
struct Which {
    /// Its id, as `replay list` shows it
    #[arg(value_name = "ID")]
    id: String,
}

pub(super) async fn run(call: Call, args: Args) -> anyhow::Result<Outcome> {
    let json = call.json;
    let Some(command) = args.command else {
        // What cannot be meant is told before there is a client.
        let wanted = match args.start.wanted(&call.app) {
            Ok(wanted) => wanted,
            Err(message) => return Ok(Outcome::Misunderstood(message)),
        };
        let servers = call.servers()?;
        return start::run(&servers.site(), json, args.start, wanted).await;
    };
    let servers = call.servers()?;
    let site = servers.site();
    match command {
        Command::Resume(Which { id }) => run::run(&site, &operator(), json, id).await,
        Command::List(args) => list::run(&site, json, &args).await,
        Command::Show(Which { id }) => show::run(&site, json, &id).await,
        Command::Stop(Which { id }) => {
            let action = Action::StopReplay { replay: id };
            let performed = act::perform(&site, &operator(), &action, &act::Work::new()).await?;
            super::answer::act(json, &json!({ "text": performed.text }), &performed.text, &[])?;
            Ok(Outcome::Well)
        }
        Command::Backfill(args) => backfill::run(&site, json, args).await,
    }
}

/// Where replays are noted.
fn store(site: &millgate_dashboard::Site) -> Result<&millgate_events::ReplayStore, Outcome> {
    let advice = "this application has no database, and so no replays; set postgres.url (MILLGATE_POSTGRES_URL)";
    site.replays.as_ref().ok_or_else(|| Outcome::Misunderstood(advice.into()))
}
