//! `millgate dlq discard`.

use millgate_dashboard::{Site, act::Action};

use super::{super::Outcome, Signature, Store, many::Many};

#[derive(clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    many: Many,
    #[command(flatten)]
    signature: Signature,
}

pub(super) async fn run(site: &Site, store: &Store, json: bool, args: Args) -> anyhow::Result<Outcome> {
    if let Some(message) = args.many.wrong() {
        return Ok(Outcome::Misunderstood(message));
    }
    let letters = args.many.letters(site, store).await?;
    let action = Action::DiscardLetters { letters, why: args.signature.why() };
    args.many.act(site, &args.signature.actor(), &action, json).await
}
