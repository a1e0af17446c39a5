//! `millgate topics`.

use std::{fmt::Write, time::Duration};

use millgate_dashboard::see::{self, TopicView};
use millgate_events::TopicAdmin;

use super::{Call, Outcome, answer, moment::span};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Show what would change
    Plan,
    /// Change it
    Apply,
    /// Show the topics that are there
    List,
    /// Show a topic: its partitions, its settings, and how far the groups are
    Show {
        /// With the prefix or without
        #[arg(value_name = "NAME")]
        name: String,
    },
}

pub(super) async fn run(call: Call, command: Command) -> anyhow::Result<Outcome> {
    let json = call.json;
    let servers = call.servers()?;
    if let Command::Show { name } = &command {
        let topic = see::topic(&servers.site(), name).await?;
        answer::write(&if json { format!("{}\n", serde_json::to_string_pretty(&topic)?) } else { text(&topic)? })?;
        return Ok(Outcome::Well);
    }
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

fn text(topic: &TopicView) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    writeln!(out, "topic      {}", topic.name)?;
    writeln!(out, "records    {}", topic.records)?;
    for setting in ["retention.ms", "retention.bytes", "cleanup.policy", "min.insync.replicas", "max.message.bytes"] {
        if let Some(value) = topic.settings.get(setting) {
            writeln!(out, "setting    {setting}={value}")?;
        }
    }
    for lag in &topic.groups {
        let behind = match lag.lag {
            0 => "up to date".to_owned(),
            records => format!("{records} behind, for {}", span(Duration::from_secs(lag.lag_seconds))),
        };
        writeln!(out, "group      {:<20} {behind}", lag.group)?;
    }
    for it in &topic.partitions {
        let offset = |offset: Option<i64>| offset.map_or("?".to_owned(), |offset| offset.to_string());
        let (begin, end, lacking) =
            (offset(it.begin), offset(it.end), it.replicas.len() - it.in_sync.len().min(it.replicas.len()));
        let trouble = match (it.leader, lacking) {
            (..0, _) => "  no leader".to_owned(),
            (_, 0) => String::new(),
            (_, lacking) => format!("  {lacking} not in sync"),
        };
        let number = it.partition;
        writeln!(
            out,
            "partition  {number:<5} offsets {begin} to {end}  leader {}  replicas {:?}{trouble}",
            it.leader, it.replicas
        )?;
    }
    Ok(out)
}
