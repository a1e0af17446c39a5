//! `millgate replay backfill`: where a group begins that is new.

use chrono::{DateTime, Utc};
use millgate_dashboard::{
    Site,
    act::{self, Action, GroupStart, Work},
};

use super::super::{Outcome, answer, moment, operator::operator};

#[derive(clap::Args)]
pub(super) struct Args {
    /// The group, as the application names it
    #[arg(long, value_name = "NAME")]
    group: String,
    /// It begins with the events from this time on: 2h (ago), 2026-03-01T12:00:00Z, 2026-03-01; `beginning`: with all
    #[arg(long, value_name = "TIME", value_parser = read)]
    from: From,
    /// Also a group that has run: it leaves where it was
    #[arg(long)]
    force: bool,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

#[derive(Clone)]
struct From(Option<DateTime<Utc>>);

fn read(text: &str) -> Result<From, String> {
    if text == "beginning" { Ok(From(None)) } else { moment::time(text).map(|time| From(Some(time))) }
}

pub(super) async fn run(site: &Site, json: bool, args: Args) -> anyhow::Result<Outcome> {
    let action = Action::StartGroup(GroupStart { group: args.group, from: args.from.0, force: args.force });
    if args.dry_run {
        let preview = act::preview(site, &operator(), &action).await?;
        answer::act(json, &preview.figures, &preview.outcome.unwrap_or_default(), &[])?;
        return Ok(Outcome::Well);
    }
    let performed = act::perform(site, &operator(), &action, &Work::new()).await?;
    answer::act(json, &performed.figures, &performed.text, &performed.refused)?;
    Ok(Outcome::Well)
}
