//! `millgate dlq discard`.

use millgate_events::{LetterFilter, LetterStatus};

use super::{
    super::{Outcome, answer, typed},
    Signature, Store,
    many::Many,
};
use crate::servers::Servers;

/// Letters in one statement.
const STEP: u32 = 1_000;

#[derive(clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    many: Many,
    #[command(flatten)]
    signature: Signature,
}

pub(super) async fn run(servers: &Servers, store: &Store, json: bool, args: Args) -> anyhow::Result<Outcome> {
    if let Some(message) = args.many.wrong() {
        return Ok(Outcome::Misunderstood(message));
    }
    let mut meant = args.many.resolve(servers, store).await?;
    // What is being redriven may be in its queue already.
    let redriving = LetterFilter { statuses: vec![LetterStatus::Redriving], ..meant.filter.clone() };
    let under_way = store.count(&redriving).await?;
    if under_way > 0 {
        meant.refused.push(format!("{under_way} letters are being redriven; `millgate dlq redrive` ends that"));
    }
    let filter = LetterFilter { statuses: vec![LetterStatus::Dead], ..meant.filter };
    let letters = store.count(&filter).await?;
    let mut discarded = 0;
    if args.many.dry_run {
        answer::act(
            json,
            &serde_json::json!({ "letters": letters }),
            &format!("{letters} letters would be discarded"),
            &meant.refused,
        )?;
        return Ok(if meant.refused.is_empty() { Outcome::Well } else { Outcome::NotWell });
    }
    if args.many.needs_yes(letters) {
        let message = format!(
            "{letters} letters would be discarded, and nothing was done yet; to do it: {} --yes",
            typed::line()
        );
        return Ok(Outcome::Misunderstood(message));
    }
    if letters > 0 {
        let action = store.begin(&args.signature.under("discard", &filter)).await?;
        loop {
            let step = store.discard(&filter, STEP, action).await?;
            discarded += step;
            if step == 0 {
                break;
            }
        }
        store.end(action).await?;
    }
    let said = format!("{discarded} letters are discarded");
    answer::act(json, &serde_json::json!({ "discarded": discarded }), &said, &meant.refused)?;
    Ok(if meant.refused.is_empty() { Outcome::Well } else { Outcome::NotWell })
}
