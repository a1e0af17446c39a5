//! `millgate dlq list`.

use millgate_dashboard::{
    Site,
    see::{self, LetterChoice, LetterPage, SeeError},
};
use millgate_events::LetterStatus;
use uuid::Uuid;

use super::{
    super::{Outcome, answer},
    filter::Filter,
    letter_id, row,
};

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

pub(super) async fn run(site: &Site, json: bool, args: Args) -> anyhow::Result<Outcome> {
    let words: Vec<&str> = args.status.iter().map(|status| status.as_str()).collect();
    let (status, limit) = (Some(words.join(",")), Some(args.limit));
    let choice = LetterChoice { status, limit, after: args.after, ..args.filter.choice() };
    let LetterPage { letters, more_after, now } = match see::letters(site, &choice).await {
        Err(SeeError::Misunderstood(message)) => return Ok(Outcome::Misunderstood(message)),
        found => found?,
    };
    if json {
        answer::write(&format!("{}\n", serde_json::to_string_pretty(&letters)?))?;
        return Ok(Outcome::Well);
    }
    let mut rows: Vec<String> = letters.iter().map(|letter| row::line(letter, now)).collect();
    match (rows.is_empty(), more_after) {
        (true, _) => rows.push("no such letters; `millgate dlq stats` counts all".to_owned()),
        (false, Some(last)) => rows.push(format!("… and more: --after {last}")),
        (false, None) => {}
    }
    answer::write(&format!("{}\n", rows.join("\n")))?;
    Ok(Outcome::Well)
}
