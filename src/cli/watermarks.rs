//! `millgate watermarks`: how far each queue is in each partition, and how to go on when Redis lost what it had.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use millgate_bridge::{Choice, Finding, WatermarkState};
use millgate_dashboard::Reader;
use serde_json::{Value, json};

use super::{Call, Outcome, group_choice::GroupChoice, moment};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Show how far each queue is; fails if one is not as it should be
    List(Which),
    /// Give up what Redis lost and cannot be had again, and hand off what comes after it
    GoOn(Which),
    /// Hand events off again: all that Kafka has, or those of the last while. Their jobs run again
    Rewind {
        #[command(flatten)]
        which: Which,
        /// Only events of so long ago: 30m, 2h, 1day
        #[arg(long, value_name = "TIME", value_parser = moment::duration)]
        by: Option<Duration>,
    },
}

#[derive(clap::Args)]
pub(super) struct Which {
    /// Only this queue
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,
    /// Only this topic
    #[arg(long, value_name = "NAME")]
    topic: Option<String>,
    #[command(flatten)]
    group: GroupChoice,
}

pub(super) async fn run(call: Call, command: Command) -> anyhow::Result<Outcome> {
    let json = call.json;
    let servers = call.servers()?;
    let (Command::List(which) | Command::GoOn(which) | Command::Rewind { which, .. }) = &command;
    if let Some(name) = which.queue.as_deref()
        && !servers.routed_queues().contains(name)
    {
        let known = servers.routed_queues().into_iter().collect::<Vec<_>>().join(", ");
        return Ok(Outcome::Misunderstood(format!("no route fills queue `{name}`; there are: {known}")));
    }
    let readers = match which.group.of(&servers) {
        Ok(readers) => readers,
        Err(message) => return Ok(Outcome::Misunderstood(message)),
    };
    let choice = Choice { queue: which.queue.clone(), topic: which.topic.clone() };
    let from = if let Command::Rewind { by: Some(by), .. } = &command { Some(ago(*by)) } else { None };
    let (mut values, mut is_well, mut is_nothing) = (Vec::new(), true, true);
    for reader in readers {
        let watermarks = servers.watermarks(reader);
        let (states, what) = match &command {
            Command::List(_) => (watermarks.list(&choice).await?, None),
            Command::GoOn(_) => (watermarks.go_on(&choice).await?, Some("goes on behind")),
            Command::Rewind { .. } => (watermarks.rewind(&choice, from).await?, Some("is rewound to")),
        };
        is_nothing &= states.is_empty();
        is_well &= what.is_some() || states.iter().all(|state| state.finding == Finding::Well);
        if json {
            values.extend(states.iter().map(|state| as_json(reader, state)));
        } else if let Some(what) = what {
            for WatermarkState { queue, topic, partition, stored, .. } in &states {
                let offset = stored.map_or(-1, |stored| stored.offset);
                println!("queue {queue} {what} offset {offset} of {topic}/{partition} (group {})", reader.name);
            }
        } else if !states.is_empty() {
            println!("group {} ({})", reader.kafka.consumer_group, reader.name);
            states.iter().for_each(show);
        }
    }
    if json {
        println!("{:#}", Value::Array(values));
    } else if is_nothing && matches!(command, Command::List(_)) {
        println!("nothing was handed off yet");
    } else if is_nothing {
        println!("nothing to be done; `millgate watermarks list` shows how far each queue is");
    }
    Ok(if is_well { Outcome::Well } else { Outcome::NotWell })
}

/// A time so long ago; before 1970, if that is longer than there are times.
#[expect(clippy::disallowed_methods, reason = "who types `--by 1h` means the hour before that")]
fn ago(by: Duration) -> DateTime<Utc> {
    SystemTime::now().checked_sub(by).map_or(DateTime::UNIX_EPOCH, DateTime::from)
}

fn show(state: &WatermarkState) {
    let number = |offset: Option<i64>| offset.map_or("none".to_owned(), |offset| offset.to_string());
    println!(
        "{:<20} {:<30} handed off {:<10} expected {:<10} {}",
        state.queue,
        format!("{}/{}", state.topic, state.partition),
        number(state.stored.map(|stored| stored.offset)),
        number(state.expected),
        remark(state.finding),
    );
}

fn remark(finding: Finding) -> &'static str {
    match finding {
        Finding::Well => "",
        Finding::Behind => "Redis went back; the bridge hands off again what is missing",
        Finding::Gone => "Redis went back to before what Kafka has kept: `watermarks go-on` gives that up",
        Finding::Empty => "Redis lost its data: `watermarks go-on` gives it up, `watermarks rewind` fills it again",
        Finding::Another => "the topic was made anew: `watermarks rewind` hands off all of it",
    }
}

fn as_json(reader: &Reader, state: &WatermarkState) -> Value {
    json!({
        "group": reader.kafka.consumer_group,
        "queue": state.queue,
        "topic": state.topic,
        "partition": state.partition,
        "handed_off": state.stored.map(|stored| stored.offset),
        "expected": state.expected,
        "log_begins": state.log.0,
        "log_ends": state.log.1,
        "finding": state.finding.word(),
    })
}
