//! `millgate queues`.

use std::collections::BTreeMap;

use millgate_jobs::QueueStats;

use super::{Call, Outcome};

pub(super) async fn run(call: Call) -> anyhow::Result<Outcome> {
    let json = call.json;
    let servers = call.servers()?;
    let mut queues: BTreeMap<&str, QueueStats> = BTreeMap::new();
    for name in servers.queue_names() {
        queues.insert(name, servers.queues.queue(name).stats().await?);
    }
    if json {
        println!("{}", serde_json::to_string_pretty(&queues)?);
        return Ok(Outcome::Well);
    }
    for (name, stats) in &queues {
        println!(
            "{name}: {} waiting, {} delayed, {} active, {} dead and not yet on the dead-letter topic",
            stats.waiting, stats.delayed, stats.active, stats.unburied
        );
        for (kind, counts) in &stats.kinds {
            println!(
                "  {kind:<26} enqueued {:>6}  done {:>6}  retried {:>4}  cancelled {:>4}  dead {:>4}",
                counts.enqueued, counts.done, counts.retried, counts.cancelled, counts.dead
            );
        }
    }
    Ok(Outcome::Well)
}
