//! `millgate topics`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use millgate_dashboard::see::{self, TopicView};
use millgate_events::{Topic, TopicAdmin, TopicChange, TopicSpec};
use serde_json::{Value, json};

use super::{Call, Outcome, answer, moment::span, with_causes};
use crate::{config::nearest, servers::Servers, topics_file::TopicsFile};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Show what would change
    Plan {
        #[command(flatten)]
        wanted: Wanted,
        /// End with exit code 1 if there is something to change
        #[arg(long)]
        check: bool,
    },
    /// Change it
    Apply {
        #[command(flatten)]
        wanted: Wanted,
        /// Also make changes for which records are lost
        #[arg(long)]
        allow_data_loss: bool,
    },
    /// Show the topics that are there
    List,
    /// Show a topic: its partitions, its settings, and how far the groups are
    Show {
        /// With the prefix or without
        #[arg(value_name = "NAME")]
        name: String,
    },
}

/// Which topics there should be.
#[derive(clap::Args)]
pub(super) struct Wanted {
    /// Topics beside those that the events need, and how these should be: topics.yaml
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// What becomes of a plan.
#[derive(Clone, Copy, PartialEq)]
enum Step {
    Show { check: bool },
    Apply { allow_data_loss: bool },
}

pub(super) async fn run(call: Call, command: Command) -> anyhow::Result<Outcome> {
    let json = call.json;
    // A mistake in it is told before anything is asked of a broker.
    let file = match command.file().map(|path| TopicsFile::read(path, &call.configuration.config.topics)).transpose() {
        Ok(file) => file,
        Err(error) => return Ok(Outcome::Misunderstood(with_causes(&error))),
    };
    let servers = call.servers()?;
    if let Command::Show { name } = &command {
        let topic = see::topic(&servers.site(), name).await?;
        answer::write(&if json { format!("{}\n", serde_json::to_string_pretty(&topic)?) } else { text(&topic)? })?;
        return Ok(Outcome::Well);
    }
    let admin = TopicAdmin::new(&servers.config.kafka, Duration::from_secs(10))?;
    let step = match command {
        Command::Plan { check, .. } => Step::Show { check },
        Command::Apply { allow_data_loss, .. } => Step::Apply { allow_data_loss },
        Command::List | Command::Show { .. } => {
            list(json, &admin.list().await?)?;
            return Ok(Outcome::Well);
        }
    };
    change(&servers, &admin, file, step, json).await
}

impl Command {
    fn file(&self) -> Option<&Path> {
        match self {
            Self::Plan { wanted, .. } | Self::Apply { wanted, .. } => wanted.file.as_deref(),
            Self::List | Self::Show { .. } => None,
        }
    }
}

fn list(json: bool, topics: &[Topic]) -> anyhow::Result<()> {
    if json {
        let topics: Vec<_> = topics
            .iter()
            .map(|t| json!({ "name": t.name, "partitions": t.partitions, "replication": t.replication }))
            .collect();
        println!("{}", serde_json::to_string_pretty(&topics)?);
        return Ok(());
    }
    for topic in topics {
        println!("{:<40} {} partitions", topic.name, topic.partitions);
    }
    Ok(())
}

async fn change(
    servers: &Servers,
    admin: &TopicAdmin,
    file: Option<TopicsFile>,
    step: Step,
    json: bool,
) -> anyhow::Result<Outcome> {
    let has_file = file.is_some();
    let TopicsFile { topics, removed } = file.unwrap_or_default();
    let mut specs: BTreeMap<String, TopicSpec> =
        servers.topic_specs().into_iter().map(|spec| (spec.name.clone(), spec)).collect();
    if let Some(name) = removed.iter().find(|name| specs.contains_key(*name)) {
        return Ok(Outcome::Misunderstood(format!("{name} is to be removed, and the application's events need it")));
    }
    for warning in without_effect(servers, specs.keys().chain(topics.iter().map(|spec| &spec.name)).chain(&removed)) {
        eprintln!("warning: {warning}");
    }
    specs.extend(topics.into_iter().map(|spec| (spec.name.clone(), spec)));
    let specs: Vec<TopicSpec> = specs.into_values().collect();
    let mut changes = admin.plan(&specs).await?;
    changes.extend(admin.plan_removal(&removed).await?);
    // Without a file nobody claimed to know of all topics.
    let others = if has_file { others(servers, admin, &specs, &removed).await? } else { Vec::new() };

    let (losing, harmless): (Vec<TopicChange>, Vec<TopicChange>) =
        changes.iter().filter(|change| change.can_be_applied()).cloned().partition(|change| change.loses().is_some());
    let chosen = match step {
        Step::Show { .. } => Vec::new(),
        Step::Apply { allow_data_loss: true } => [harmless.clone(), losing.clone()].concat(),
        Step::Apply { allow_data_loss: false } => harmless.clone(),
    };
    admin.apply(&chosen).await?;
    let report = Report { changes: &changes, losing: &losing, harmless: harmless.len(), others: &others, step };
    answer::write(&if json { format!("{}\n", report.json()) } else { report.text()? })?;
    Ok(if report.is_well() { Outcome::Well } else { Outcome::NotWell })
}

/// What the configuration says of topics that nobody has: a name that is misspelt, mostly.
fn without_effect<'a>(servers: &Servers, named: impl Iterator<Item = &'a String>) -> Vec<String> {
    // Settings may be there before lines are shipped.
    let (lines, errors) = servers.config.log_shipping.topics(servers.application);
    let mut known: BTreeSet<&str> = named.map(String::as_str).collect();
    known.extend(servers.events.iter().map(|(_, event)| event.topic));
    known.extend([Some(lines.as_str()), errors.as_deref()].into_iter().flatten());
    let strange = servers.config.topics.by_name.keys().filter(|name| !known.contains(name.as_str()));
    let told = strange.map(|name| {
        let hint =
            nearest(name, known.iter().copied()).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        format!(
            "[topics.\"{name}\"] has no effect: no route or event of this application is on a topic of that name{hint}"
        )
    });
    told.collect()
}

/// Topics that are there and that nobody spoke of.
async fn others(
    servers: &Servers,
    admin: &TopicAdmin,
    specs: &[TopicSpec],
    removed: &[String],
) -> anyhow::Result<Vec<String>> {
    let named: Vec<String> =
        specs.iter().map(|spec| &spec.name).chain(removed).map(|name| servers.config.kafka.topic(name)).collect();
    Ok(admin.list().await?.into_iter().map(|topic| topic.name).filter(|name| !named.contains(name)).collect())
}

struct Report<'a> {
    changes: &'a [TopicChange],
    losing: &'a [TopicChange],
    harmless: usize,
    others: &'a [String],
    step: Step,
}

impl Report<'_> {
    fn stuck(&self) -> impl Iterator<Item = &TopicChange> {
        self.changes.iter().filter(|change| !change.can_be_applied())
    }

    /// Changes that were not made, although they might be.
    fn refused(&self) -> &[TopicChange] {
        if self.step == (Step::Apply { allow_data_loss: false }) { self.losing } else { &[] }
    }

    fn is_well(&self) -> bool {
        // More copies than asked for are no harm.
        let is_harm =
            |change: &TopicChange| !matches!(change, TopicChange::Replicate { has, wants, .. } if has > wants);
        match self.step {
            Step::Show { check } => !check || !self.changes.iter().any(is_harm),
            Step::Apply { .. } => self.refused().is_empty() && !self.stuck().any(is_harm),
        }
    }

    fn json(&self) -> Value {
        let lines = |changes: &[TopicChange]| changes.iter().map(ToString::to_string).collect::<Vec<_>>();
        let losing: Vec<Value> =
            self.losing.iter().map(|change| json!({ "change": change.to_string(), "loses": change.loses() })).collect();
        json!({
            "changes": lines(self.changes),
            "applied": matches!(self.step, Step::Apply { .. }),
            "impossible": self.stuck().count(),
            "losing": losing,
            "refused": lines(self.refused()),
            "others": self.others,
        })
    }

    fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        for change in self.changes {
            writeln!(text, "{change}")?;
            if let Some(what) = change.loses() {
                writeln!(text, "    loses {what}")?;
            }
        }
        if !self.others.is_empty() {
            writeln!(text, "not in the file: {}", self.others.join(", "))?;
        }
        let is_shown = matches!(self.step, Step::Show { .. });
        let refused = self.refused().len();
        let made = self.harmless + self.losing.len() - refused;
        if made > 0 && is_shown {
            writeln!(text, "{made} changes; make them with `topics apply`")?;
        } else if made > 0 {
            writeln!(text, "{made} changes made")?;
        } else if refused == 0 && self.stuck().count() > 0 {
            writeln!(text, "nothing that can be changed")?;
        } else if refused == 0 {
            writeln!(text, "topics are as they should be")?;
        }
        if refused > 0 {
            writeln!(text, "{refused} not made, since records would be lost; --allow-data-loss makes them, too")?;
        }
        Ok(text)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_copies_than_wanted_are_no_reason_for_an_exit_code() {
        let is_well = |has, wants, step| {
            let changes = [TopicChange::Replicate { name: "a".into(), has, wants }];
            Report { changes: &changes, losing: &[], harmless: 0, others: &[], step }.is_well()
        };
        for step in [Step::Show { check: true }, Step::Apply { allow_data_loss: false }] {
            assert!(is_well(3, 1, step) && !is_well(1, 3, step));
        }
        assert!(is_well(1, 3, Step::Show { check: false }));
    }
}
