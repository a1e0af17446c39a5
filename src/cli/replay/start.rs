//! `millgate replay --topic … --into …`: says what would be done, and with `--yes` does it.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use millgate_dashboard::{
    Site,
    access::Viewer,
    act::{self, Actor, ReplayInto, Replaying, Via, Work},
};
use millgate_events::{OffsetRange, Selection};
use millgate_jobs::Rate;

use super::{
    super::{Outcome, answer, moment, progress, projections, rate, typed},
    figures,
};
use crate::{App, group::MAIN};

// Both it and what holds it are called so.
#[derive(clap::Args)]
#[group(skip)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command")]
pub(super) struct Args {
    /// Where to: `routes` (or `routes:GROUP`), `topic:NAME`, `projection:NAME` (all events of the store) or `file:PATH`
    #[arg(long, value_name = "WHERE", value_parser = read_into, required = true)]
    into: Option<Into>,
    /// Only these topics, without the prefix; all that the application reads if none is named
    #[arg(long = "topic", value_name = "NAME", value_delimiter = ',')]
    topics: Vec<String>,
    /// Records from this time on: 2h (ago), 2026-03-01T12:00:00Z, 2026-03-01
    #[arg(long, value_name = "TIME", value_parser = moment::time)]
    from: Option<DateTime<Utc>>,
    /// And from before this one
    #[arg(long, value_name = "TIME", value_parser = moment::time)]
    until: Option<DateTime<Utc>>,
    /// Only a stretch of a partition: orders:0:1000-2000 is from offset 1000 to before 2000
    #[arg(long, value_name = "TOPIC:PARTITION:FROM-UNTIL", conflicts_with = "topics")]
    offsets: Vec<OffsetRange>,
    /// Only events of one request, session or order: with this correlation id, or that id
    #[arg(long, value_name = "ID")]
    correlation: Option<String>,
    /// Only records of these keys
    #[arg(long = "key", value_name = "KEY")]
    keys: Vec<String>,
    /// Only events of these types
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Into routes: only jobs of these kinds
    #[arg(long = "job", value_name = "KIND")]
    kinds: Vec<String>,
    /// Also what would be there twice: jobs that there are or were, as new ones; a topic that bridges read
    #[arg(long, visible_alias = "double")]
    again: bool,
    /// Into routes: the priority of all jobs; 9 lets those of new events go first
    #[arg(long, value_name = "0-9", value_parser = clap::value_parser!(u8).range(..=9))]
    priority: Option<u8>,
    /// No faster than that: 500/s
    #[arg(long, value_name = "N/TIME", value_parser = read_rate)]
    rate: Option<Rate>,
    /// End at the first record that is no event, or is gone, rather than count and skip it
    #[arg(long)]
    strict: bool,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    /// Do it
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
    /// Who does it
    #[arg(long, value_name = "NAME", env = "USER", default_value = "somebody")]
    by: String,
    /// Why: it is kept
    #[arg(long, value_name = "TEXT", default_value = "")]
    why: String,
}

/// What `--into` says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Into {
    Routes(Option<String>),
    Topic(String),
    Projection(String),
    File(std::path::PathBuf),
}

fn read_into(text: &str) -> Result<Into, String> {
    match text.split_once(':') {
        None if text == "routes" => Ok(Into::Routes(None)),
        Some(("routes", group)) if !group.is_empty() => Ok(Into::Routes(Some(group.to_owned()))),
        Some(("topic", name)) if !name.is_empty() => Ok(Into::Topic(name.to_owned())),
        Some(("projection", name)) if !name.is_empty() => Ok(Into::Projection(name.to_owned())),
        Some(("file", path)) if !path.is_empty() => Ok(Into::File(path.into())),
        Some(("stream", _)) => {
            Err("a stream takes each record once, by a position of its own: give it another name, and it \
            begins with the first one (kafka.auto_offset_reset)"
                .into())
        }
        _ => Err("it is routes, routes:GROUP, topic:NAME, projection:NAME or file:PATH".into()),
    }
}

fn read_rate(text: &str) -> Result<Rate, String> {
    rate::read(text).ok_or_else(|| format!("`{text}` is no rate such as 500/s or 100/1m"))
}

impl Args {
    pub(super) fn wanted(&self, app: &App) -> Result<Replaying, String> {
        let into = self.into.clone().ok_or("say where to: --into")?;
        if self.from.zip(self.until).is_some_and(|(from, until)| from >= until) {
            return Err("--from is not before --until: nothing lies between them".into());
        }
        let about_jobs = [("--job", !self.kinds.is_empty()), ("--priority", self.priority.is_some())];
        if let (false, Some((option, _))) =
            (matches!(into, Into::Routes(_)), about_jobs.iter().find(|(_, given)| *given))
        {
            return Err(format!("{option} is about jobs, which only --into routes makes"));
        }
        let group = match &into {
            Into::Routes(group) => Some(group.clone().unwrap_or_else(|| MAIN.to_owned())),
            _ => None,
        };
        if let Into::Projection(name) = &into {
            is_projection(app, name)?;
        }
        if self.again && !matches!(into, Into::Routes(_) | Into::Topic(_)) {
            return Err("--again is about jobs, and topics that make them: --into routes, or topic:NAME".into());
        }
        let mut topics: BTreeSet<String> = self.topics.iter().cloned().collect();
        topics.extend(self.offsets.iter().map(|range| range.topic.clone()));
        if let Some(group) = &group {
            has_routes(app, group, &topics, &self.kinds)?;
        }
        if topics.is_empty() && !matches!(into, Into::Projection(_)) {
            let tables = app.tables().filter(|(name, _)| group.as_deref().is_none_or(|group| group == *name));
            topics = tables.flat_map(|(_, routes)| routes.topics()).map(str::to_owned).collect();
        }
        let into = match into {
            Into::Routes(_) => ReplayInto::Routes {
                group: group.unwrap_or_default(),
                kinds: self.kinds.iter().cloned().collect(),
                again: self.again,
                priority: self.priority,
            },
            Into::Topic(name) => ReplayInto::Topic { name, again: self.again },
            Into::Projection(name) => ReplayInto::Projection { name },
            Into::File(path) => {
                let wrong = |error| format!("{}: {error}", path.display());
                ReplayInto::File { path: std::path::absolute(&path).map_err(wrong)? }
            }
        };
        let selection = Selection {
            topics: topics.into_iter().collect(),
            from: self.from,
            until: self.until,
            offsets: self.offsets.clone(),
            correlation: self.correlation.clone(),
            keys: self.keys.clone(),
            types: self.types.clone(),
        };
        Ok(Replaying { selection, into, rate: self.rate, strict: self.strict })
    }
}

/// Whether there is such a group, with routes that read these topics and make these jobs.
fn has_routes(app: &App, group: &str, topics: &BTreeSet<String>, kinds: &[String]) -> Result<(), String> {
    let Some((_, routes)) = app.tables().find(|(name, _)| *name == group) else {
        let known: Vec<&str> = app.tables().map(|(name, _)| name).collect();
        return Err(format!("there is no group `{group}`; there are: {}", known.join(", ")));
    };
    let read: BTreeSet<&str> = routes.topics().collect();
    if let Some(other) = topics.iter().find(|topic| !read.contains(topic.as_str())) {
        return Err(format!("group {group} has no routes for topic {other}; it reads: {}", listed(read)));
    }
    let outlines = routes.table().outlines();
    let made: BTreeSet<&str> = outlines.iter().map(|outline| outline.kind.as_str()).collect();
    if let Some(other) = kinds.iter().find(|kind| !made.contains(kind.as_str())) {
        return Err(format!("no route of group {group} makes jobs of kind {other}; there are: {}", listed(made)));
    }
    Ok(())
}

fn is_projection(app: &App, name: &str) -> Result<(), String> {
    if app.projections.is_empty() {
        return Err(projections::NONE.to_owned());
    }
    if app.projections.names().all(|known| known != name) {
        let known = listed(app.projections.names().collect());
        return Err(format!("this application has no projection `{name}`; there are: {known}"));
    }
    Ok(())
}

fn listed(names: BTreeSet<&str>) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.into_iter().collect::<Vec<_>>().join(", ") }
}

pub(super) async fn run(site: &Site, json: bool, args: Args, wanted: Replaying) -> anyhow::Result<Outcome> {
    if !args.yes {
        let work = Work::new();
        let tally = progress::shown(&work, Box::pin(act::survey(site, &wanted, &work))).await?;
        if json {
            let answer = serde_json::json!({ "dry_run": true, "wanted": wanted, "tally": tally });
            answer::write(&format!("{answer}\n"))?;
        } else {
            let head = format!("would replay {} {}:\n", wanted.selection, wanted.into.words());
            answer::write(&(head + &figures::text(&tally)))?;
        }
        if args.dry_run {
            return Ok(Outcome::Well);
        }
        return Ok(Outcome::Misunderstood(format!("nothing was done yet; to do it: {} --yes", typed::line())));
    }
    if let Err(outcome) = super::store(site) {
        return Ok(outcome);
    }
    let id = act::ask_for_replay(site, &args.by, &args.why, &wanted).await?;
    eprintln!("replay {id}; if it is cut off: millgate replay resume {id}");
    let actor = Actor { viewer: Viewer::everything(&args.by), via: Via::CommandLine };
    super::run::run(site, &actor, json, id).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_to_is_routes_a_topic_a_projection_or_a_file() {
        assert_eq!(read_into("routes"), Ok(Into::Routes(None)));
        assert_eq!(read_into("routes:crm"), Ok(Into::Routes(Some("crm".into()))));
        assert_eq!(read_into("topic:orders.copy"), Ok(Into::Topic("orders.copy".into())));
        assert_eq!(read_into("file:/tmp/a:b.jsonl"), Ok(Into::File("/tmp/a:b.jsonl".into())));
        assert_eq!(read_into("projection:users"), Ok(Into::Projection("users".into())));
        assert!(read_into("stream:audit").unwrap_err().contains("give it another name"));
        for wrong in ["", "route", "topic", "topic:", "file:", "routes:", "projection:", "elsewhere:x"] {
            assert!(read_into(wrong).is_err(), "{wrong}");
        }
    }
}
