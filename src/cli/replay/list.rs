//! `millgate replay list`.

use millgate_dashboard::{Site, act::Replaying};
use millgate_events::PastReplay;

use super::{
    super::{Outcome, answer, moment::point},
    show, store,
};

#[derive(clap::Args)]
pub(super) struct Args {
    /// So many at most
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: u32,
}

pub(super) async fn run(site: &Site, json: bool, args: &Args) -> anyhow::Result<Outcome> {
    let store = match store(site) {
        Ok(store) => store,
        Err(outcome) => return Ok(outcome),
    };
    let past: Vec<PastReplay<Replaying>> = store.list(args.limit).await?;
    if json {
        let all: Vec<_> = past.iter().map(show::as_json).collect();
        answer::write(&format!("{:#}\n", serde_json::Value::Array(all)))?;
        return Ok(Outcome::Well);
    }
    if past.is_empty() {
        println!("there was no replay yet");
    }
    let lines = past.iter().map(|past| {
        let (done, all) = past.progress.figures();
        let (id, status, into) = (&past.id, past.status.as_str(), past.wanted.into.words());
        let percent = (done * 100).checked_div(all).unwrap_or(100);
        format!(
            "{id}  {status:<8} {percent:>3} %  {}  {}  {} {into}\n",
            point(past.asked_at),
            past.asked_by,
            past.wanted.selection
        )
    });
    answer::write(&lines.collect::<String>())?;
    Ok(Outcome::Well)
}
