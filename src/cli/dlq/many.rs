//! What is acted on: letters that are named, or all that a filter lets through.

use millgate_dashboard::{
    Site,
    act::{self, Action, Actor, Preview, Work},
};
use millgate_events::LetterFilter;
use uuid::Uuid;

use super::{
    super::{Outcome, answer, progress, typed},
    Store,
    filter::Filter,
    letter_id,
};

#[derive(clap::Args)]
pub(super) struct Many {
    /// Ids, as `dlq list` shows them
    #[arg(value_name = "ID", value_parser = letter_id)]
    ids: Vec<Uuid>,
    #[command(flatten)]
    filter: Filter,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    /// Do it, also to more than one letter
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
}

impl Many {
    /// What cannot be meant.
    pub(super) fn wrong(&self) -> Option<String> {
        match (self.ids.is_empty(), self.filter.is_empty()) {
            (true, true) => Some(
                "name letters by their ids, or choose them by --kind, --topic, --type, --queue, --job, --code, --fingerprint, \
                 --since or --until"
                    .into(),
            ),
            (false, false) => Some("letters are named by their ids or chosen by a filter, not both".into()),
            _ => None,
        }
    }

    /// Those that are meant.
    pub(super) async fn letters(&self, site: &Site, store: &Store) -> anyhow::Result<LetterFilter> {
        let chosen = self.filter.clone().choice().filter(site, store.now().await?)?;
        Ok(LetterFilter { ids: self.ids.clone(), ..chosen })
    }

    /// Does it, or only says what would be done: where that is wanted, or somebody has to say `--yes` first.
    pub(super) async fn act(&self, site: &Site, actor: &Actor, action: &Action, json: bool) -> anyhow::Result<Outcome> {
        if self.dry_run || (self.ids.is_empty() && !self.yes) {
            let preview = act::preview(site, actor, action).await?;
            let asks = !self.dry_run && preview.count.is_some_and(|count| count > 1);
            if self.dry_run || asks {
                let Preview { outcome, figures, refused, .. } = preview;
                answer::act(json, &figures, &outcome.unwrap_or_default(), &refused)?;
                if asks {
                    let message = format!("nothing was done yet; to do it: {} --yes", typed::line());
                    return Ok(Outcome::Misunderstood(message));
                }
                return Ok(if refused.is_empty() { Outcome::Well } else { Outcome::NotWell });
            }
        }
        let work = Work::new();
        let performed = progress::shown(&work, act::perform(site, actor, action, &work)).await?;
        answer::act(json, &performed.figures, &performed.text, &performed.refused)?;
        Ok(if performed.refused.is_empty() && !work.is_stopped() { Outcome::Well } else { Outcome::NotWell })
    }
}
