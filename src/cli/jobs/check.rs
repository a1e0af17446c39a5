//! `millgate jobs check`.

use std::collections::BTreeMap;

use super::super::{Call, Outcome, queue_choice};

#[derive(clap::Args)]
pub(in crate::cli) struct Args {
    /// The queue; all if none is named. A queue stands still while it is looked at: about 2 s for a million jobs that
    /// have options
    #[arg(long, value_name = "QUEUE")]
    queue: Option<String>,
}

pub(super) async fn run(call: Call, args: Args) -> anyhow::Result<Outcome> {
    let json = call.json;
    let servers = call.servers()?;
    let names = match queue_choice::choose(&servers, args.queue.as_deref()).await? {
        Ok(names) => names,
        Err(message) => return Ok(Outcome::Misunderstood(message)),
    };
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in names {
        let wrong = servers.queues.queue(&name).check().await?;
        found.insert(name, wrong);
    }
    let well = found.values().all(Vec::is_empty);
    if json {
        println!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        for (name, wrong) in &found {
            if wrong.is_empty() {
                println!("{name}: sound");
            }
            for line in wrong {
                println!("{name}: {line}");
            }
        }
    }
    Ok(if well { Outcome::Well } else { Outcome::NotWell })
}
