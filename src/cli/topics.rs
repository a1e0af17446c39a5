//! `millgate topics`.

use std::time::Duration;

use millgate_events::TopicAdmin;

use super::{Call, Outcome};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Show what would change
    Plan,
    /// Change it
    Apply,
    /// Show the topics that are there
    List,
}

pub(super) async fn run(call: Call, command: Command) -> anyhow::Result<Outcome> {
    let json = call.json;
    let servers = call.servers()?;
    let admin = TopicAdmin::new(&servers.config.kafka, Duration::from_secs(10))?;
    if let Command::List = command {
        let topics = admin.list().await?;
        if json {
            let topics: Vec<_> =
                topics.iter().map(|t| serde_json::json!({ "name": t.name, "partitions": t.partitions })).collect();
            println!("{}", serde_json::to_string_pretty(&topics)?);
        } else {
            for topic in topics {
                println!("{:<40} {} partitions", topic.name, topic.partitions);
            }
        }
        return Ok(Outcome::Well);
    }
    let changes = admin.plan(&servers.topic_specs()).await?;
    let apply = matches!(command, Command::Apply);
    if apply {
        admin.apply(&changes).await?;
    }
    let stuck = changes.iter().filter(|change| !change.can_be_applied()).count();
    if json {
        let lines: Vec<String> = changes.iter().map(ToString::to_string).collect();
        println!("{}", serde_json::json!({ "changes": lines, "applied": apply, "impossible": stuck }));
    } else {
        for change in &changes {
            println!("{change}");
        }
        let count = changes.len() - stuck;
        match (count, apply) {
            (0, _) if stuck > 0 => println!("nothing that can be changed"),
            (0, _) => println!("topics are as they should be"),
            (_, true) => println!("{count} changes made"),
            (_, false) => println!("{count} changes; make them with `topics apply`"),
        }
    }
    Ok(if apply && stuck > 0 { Outcome::NotWell } else { Outcome::Well })
}
