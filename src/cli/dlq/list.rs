//! `millgate dlq list`.

use millgate_events::{LetterStatus, Position};
use uuid::Uuid;

use super::{
    super::{Outcome, answer},
    Store,
    filter::Filter,
    letter_id, no_letter, row,
};
use crate::servers::Servers;

#[derive(clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    filter: Filter,
    /// In these states: dead, redriving, redriven, discarded
    #[arg(long, value_name = "STATES", value_delimiter = ',', default_value = "dead,redriving")]
    status: Vec<LetterStatus>,
    /// Go on behind this letter
    #[arg(long, value_name = "ID", value_parser = letter_id)]
    after: Option<Uuid>,
    /// Show at most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
}

pub(super) async fn run(servers: &Servers, store: &Store, json: bool, args: Args) -> anyhow::Result<Outcome> {
    let now = store.now().await?;
    let after = match args.after {
        None => Position::START,
        Some(id) => match store.get(id).await? {
            Some(letter) => Position::after(&letter),
            None => return Ok(Outcome::Misunderstood(no_letter(id))),
        },
    };
    let mut filter = args.filter.resolve(servers, now);
    filter.statuses = args.status;
    // One more, to know whether there are.
    let mut letters = store.page(&filter, after, args.limit + 1).await?;
    let more = letters.len() > args.limit as usize;
    letters.truncate(args.limit as usize);
    if json {
        let values: Vec<_> = letters.iter().map(row::json).collect::<Result<_, _>>()?;
        answer::write(&format!("{}\n", serde_json::to_string_pretty(&values)?))?;
        return Ok(Outcome::Well);
    }
    let mut rows: Vec<String> = letters.iter().map(|letter| row::line(letter, now)).collect();
    match letters.last() {
        Some(last) if more => rows.push(format!("… and more: --after {}", last.id)),
        Some(_) => {}
        None => rows.push("no such letters; `millgate dlq stats` counts all".to_owned()),
    }
    answer::write(&format!("{}\n", rows.join("\n")))?;
    Ok(Outcome::Well)
}
