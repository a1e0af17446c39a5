//! `millgate groups`: how far the bridge's consumer groups are in each partition, and who is in them.

use std::{collections::BTreeSet, fmt::Write, time::Duration};

use millgate_dashboard::{
    Follower,
    see::{self, GroupLag, GroupView, SeeError},
};
use millgate_events::GroupMember;
use serde_json::json;

use super::{Call, Outcome, answer, group_choice::GroupChoice, moment::span};

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Only this topic
    #[arg(long, value_name = "NAME")]
    topic: Option<String>,
    #[command(flatten)]
    group: GroupChoice,
    /// Also say who has which partition
    #[arg(long)]
    members: bool,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Show a group with its members, partitions, and the watermarks of its queues
    Show {
        /// `main`, or the group's name
        #[arg(value_name = "NAME")]
        group: String,
    },
}

pub(super) async fn run(call: Call, args: Args) -> anyhow::Result<Outcome> {
    let Args { command, topic, group, members } = args;
    if let Some(Command::Show { group }) = command {
        return show(call, &group).await;
    }
    let json = call.json;
    let servers = call.servers()?;
    let site = servers.site();
    let is_meant =
        |stream: &&Follower| group.is_all() && topic.as_ref().is_none_or(|topic| stream.topics.contains(topic));
    let streams: Vec<&Follower> = site.followers().filter(is_meant).collect();
    let mut readers = match group.of(&servers) {
        Ok(readers) => readers,
        Err(message) => return Ok(Outcome::Misunderstood(message)),
    };
    if let Some(topic) = topic.as_deref() {
        let known: BTreeSet<&str> = readers.iter().flat_map(|reader| reader.routes.topics()).collect();
        readers.retain(|reader| reader.routes.topics().any(|known| known == topic));
        if readers.is_empty() && streams.is_empty() {
            let known: Vec<&str> = known.into_iter().collect();
            let message = format!("no event comes on topic `{topic}`; there are: {}", known.join(", "));
            return Ok(Outcome::Misunderstood(message));
        }
    }
    let mut all: Vec<GroupLag> = Vec::new();
    let mut text = String::new();
    for reader in readers {
        writeln!(text, "group {} ({})", reader.kafka.consumer_group, reader.name)?;
        let lags = if members {
            let GroupView { mut partitions, membership, .. } = see::group(&site, reader).await?;
            let members = membership.map(|membership| membership.members).unwrap_or_default();
            text.extend(members.iter().map(member_line));
            partitions.retain(|lag| topic.as_ref().is_none_or(|topic| reader.kafka.topic(topic) == lag.topic));
            partitions
        } else {
            see::lags(reader, topic.as_deref()).await?
        };
        text.extend(lags.iter().map(lag_line));
        all.extend(lags);
    }
    for stream in streams {
        let is_stream = site.streams.iter().any(|known| known.name == stream.name);
        let what = if is_stream { format!("stream {}", stream.name) } else { stream.name.clone() };
        writeln!(text, "group {} ({what})", stream.kafka.consumer_group)?;
        let lags = if members {
            let GroupView { mut partitions, membership, .. } = see::stream_group(stream).await?;
            let members = membership.map(|membership| membership.members).unwrap_or_default();
            text.extend(members.iter().map(member_line));
            partitions.retain(|lag| topic.as_ref().is_none_or(|topic| stream.kafka.topic(topic) == lag.topic));
            partitions
        } else {
            see::stream_lags(stream, topic.as_deref()).await?
        };
        text.extend(lags.iter().map(lag_line));
        all.extend(lags);
    }
    answer::write(&if json { format!("{:#}\n", json!(all)) } else { text })?;
    Ok(Outcome::Well)
}

fn lag_line(lag: &GroupLag) -> String {
    let at = lag.committed.map_or("none".to_owned(), |offset| offset.to_string());
    let behind = match lag.lag {
        0 => String::new(),
        events => format!("{events} behind, for {}", span(Duration::from_secs(lag.lag_seconds))),
    };
    let member = lag.member.as_ref().map(|member| format!("  {member}")).unwrap_or_default();
    let place = format!("{}/{}", lag.topic, lag.partition);
    format!("{place:<44} committed {at:<10} end {:<10} {behind}{member}\n", lag.end)
}

fn member_line(member: &GroupMember) -> String {
    let partitions = match &member.assignment {
        None => "partitions unknown".to_owned(),
        Some(topics) => format!("{} partitions", topics.iter().map(|(_, numbers)| numbers.len()).sum::<usize>()),
    };
    format!("member {}  {}  {}  {partitions}\n", member.id, member.client_id, member.host)
}

async fn show(call: Call, name: &str) -> anyhow::Result<Outcome> {
    let json = call.json;
    let site = call.servers()?.site();
    let group = match see::group_named(&site, name).await {
        Err(SeeError::Missing(message)) => return Ok(Outcome::Misunderstood(message)),
        found => found?,
    };
    if json {
        answer::write(&format!("{}\n", serde_json::to_string_pretty(&group)?))?;
        return Ok(Outcome::Well);
    }
    let mut text = format!("group      {} ({})\n", group.group, group.name);
    let state = group.membership.as_ref().map_or("nobody was ever in it", |membership| membership.state.as_str());
    writeln!(text, "state      {state}")?;
    writeln!(text, "behind     {}, for {}", group.lag, span(Duration::from_secs(group.lag_seconds)))?;
    for member in group.membership.iter().flat_map(|membership| &membership.members) {
        text += &member_line(member);
    }
    text.extend(group.partitions.iter().map(lag_line));
    for mark in &group.watermarks {
        let offset = |offset: Option<i64>| offset.map_or("nothing".to_owned(), |offset| offset.to_string());
        let place = format!("{}/{}", mark.topic, mark.partition);
        let (queue, stored, expected) = (&mark.queue, offset(mark.stored), offset(mark.expected));
        writeln!(text, "queue {queue:<14} {place:<44} has {stored:<10} noted {expected:<10} {}", mark.finding)?;
    }
    answer::write(&text)?;
    Ok(Outcome::Well)
}
