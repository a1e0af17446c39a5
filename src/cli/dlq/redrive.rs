//! `millgate dlq redrive`.

use millgate_dashboard::{
    Site,
    act::{Action, Redriving},
};
use millgate_jobs::Rate;

use super::{
    super::{Outcome, rate},
    Signature, Store,
    many::Many,
};

#[derive(clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    many: Many,
    #[command(flatten)]
    signature: Signature,
    /// No faster than that: 50/s
    #[arg(long, value_name = "N/TIME", value_parser = read_rate)]
    rate: Option<Rate>,
    /// What came back so often is left alone
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    max_redrives: u16,
    /// Also what came back too often, and what was cut off so long ago that it may run twice
    #[arg(long)]
    force: bool,
}

fn read_rate(text: &str) -> Result<Rate, String> {
    rate::read(text).ok_or_else(|| format!("`{text}` is no rate such as 50/s or 100/1m"))
}

pub(super) async fn run(site: &Site, store: &Store, json: bool, args: Args) -> anyhow::Result<Outcome> {
    if let Some(message) = args.many.wrong() {
        return Ok(Outcome::Misunderstood(message));
    }
    let action = Action::RedriveLetters(Redriving {
        letters: args.many.letters(site, store).await?,
        why: args.signature.why(),
        rate: args.rate,
        max_redrives: Some(args.max_redrives),
        force: args.force,
    });
    args.many.act(site, &args.signature.actor(), &action, json).await
}
