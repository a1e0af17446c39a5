//! `millgate dlq stats`.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use millgate_dashboard::Site;
use millgate_events::LetterStats;

use super::{
    super::{Outcome, answer, moment::from_now},
    Store,
    filter::Filter,
};

#[derive(clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    filter: Filter,
}

pub(super) async fn run(site: &Site, store: &Store, json: bool, args: Args) -> anyhow::Result<Outcome> {
    let now = store.now().await?;
    let stats = store.stats(&args.filter.choice().filter(site, now)?).await?;
    if json {
        let mut value = serde_json::to_value(&stats)?;
        value["by_status"] = stats
            .by_status
            .iter()
            .map(|(status, count)| (status.to_string(), serde_json::Value::from(*count)))
            .collect();
        answer::write(&format!("{value:#}\n"))?;
    } else {
        answer::write(&text(&stats, now)?)?;
    }
    Ok(Outcome::Well)
}

fn text(stats: &LetterStats, now: DateTime<Utc>) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    let LetterStats { total, unprocessed, processed, .. } = stats;
    write!(out, "letters    {total}, {unprocessed} unprocessed, {processed} processed")?;
    for (status, count) in &stats.by_status {
        write!(out, " · {count} {status}")?;
    }
    writeln!(out)?;
    if let Some(oldest) = stats.oldest {
        writeln!(out, "oldest     {}", from_now(oldest, now))?;
    }
    for group in &stats.groups {
        let what = group.what.as_deref().unwrap_or("?");
        let first = group.message.lines().next().unwrap_or_default();
        writeln!(
            out,
            "{:>7}  {:<5}  {what:<24}  {:<12}  {} to {}  {}: {first}",
            group.letters,
            group.kind,
            group.fingerprint,
            from_now(group.oldest, now),
            from_now(group.newest, now),
            group.code,
        )?;
    }
    Ok(out)
}
