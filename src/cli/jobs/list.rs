//! `millgate jobs list`.

use millgate_jobs::JobState;

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
    let names = match queue_choice::choose(&servers, args.filter.queue.as_deref()).await? {
        Ok(names) => names,
        Err(message) => return Ok(Outcome::Misunderstood(message)),
    };
    let most = args.limit as usize;
    // One more, to know whether there are.
    let (mut rows, mut values, mut left) = (Vec::new(), Vec::new(), most + 1);
    for name in names {
        let queue = servers.queues.queue(&name);
        let ids = args.filter.ids(&queue, &JobState::ALL, left).await?;
        let jobs = queue.look(&ids).await?;
        if jobs.is_empty() {
            continue;
        }
        let now = queue.now().await?;
        left -= jobs.len();
        for job in &jobs {
            rows.push(row::line(&name, job, now));
            values.push(row::json(&name, job)?);
        }
        if left == 0 {
            break;
        }
    }
    let more = rows.len() > most;
    if json {
        values.truncate(most);
        answer::write(&format!("{}\n", serde_json::to_string_pretty(&values)?))?;
        return Ok(Outcome::Well);
    }
    rows.truncate(most);
    if more {
        rows.push(format!("… and more: --limit {} shows them, --state, --kind and --where choose", most * 10));
    } else if rows.is_empty() {
        rows.push("no such jobs; `millgate queues` counts all".to_owned());
    }
    answer::write(&format!("{}\n", rows.join("\n")))?;
    Ok(Outcome::Well)
}
