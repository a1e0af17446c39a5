//! `millgate jobs list`.

use millgate_dashboard::see::{self, Bound};

use super::{
    super::{Call, Outcome, answer, queue_choice},
    filter::Filter,
    row,
};

#[derive(clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    filter: Filter,
    /// Show at most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

pub(super) async fn run(call: Call, args: Args) -> anyhow::Result<Outcome> {
    let json = call.json;
    let servers = call.servers()?;
    if let Err(message) = queue_choice::choose(&servers, args.filter.queue.as_deref()).await? {
        return Ok(Outcome::Misunderstood(message));
    }
    let site = servers.site();
    let filter = args.filter.resolve(servers.queues.queue("").now().await?);
    let most = args.limit as usize;
    // One more, to know whether there are.
    let list = see::jobs(&site, &filter, None, Bound::none(most + 1), None).await?.map_err(anyhow::Error::msg)?;
    let shown = &list.jobs[..list.jobs.len().min(most)];
    if json {
        answer::write(&format!("{}\n", serde_json::to_string_pretty(shown)?))?;
        return Ok(Outcome::Well);
    }
    let mut rows: Vec<String> = shown.iter().map(|job| row::line(job, list.now)).collect();
    if list.jobs.len() > most {
        rows.push(format!("… and more: --limit {} shows them, --state, --kind and --where choose", most * 10));
    } else if rows.is_empty() {
        rows.push("no such jobs; `millgate queues` counts all".to_owned());
    }
    answer::write(&format!("{}\n", rows.join("\n")))?;
    Ok(Outcome::Well)
}
