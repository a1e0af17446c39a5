//! Replays: records of topics once more through routes, onto another topic, or into a file; events of the store into a projection.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use chrono::{DateTime, Utc};
use millgate_bridge::{Doubling, IntoRoutes, live_positions};
use millgate_events::{
    Destination, IntoFile, IntoTopic, KafkaError, Logs, Progress, ProjectionReplay, Replay, ReplayError, ReplayRun,
    ReplayStore, Selection, Tally,
};
use millgate_jobs::Rate;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{ActError, Actor, Performed, Preview, Via, Work, projection::projections};
use crate::{Reader, Site, see};

/// For an answer of Kafka.
const QUESTION: Duration = Duration::from_secs(10);

/// A replay that somebody wants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replaying {
    /// Which records.
    pub selection: Selection,
    /// Where to.
    pub into: ReplayInto,
    /// No faster than that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// Ends at the first record that cannot be read, or is gone.
    #[serde(default)]
    pub strict: bool,
}

/// Where records are replayed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ReplayInto {
    /// The routes of a group, and its queues.
    Routes {
        /// The group.
        group: String,
        /// Only jobs of these kinds; all, if none is named.
        #[serde(default)]
        kinds: BTreeSet<String>,
        /// Also jobs that there are or were, as jobs of their own.
        #[serde(default)]
        again: bool,
        /// Of all jobs, rather than what their routes say.
        #[serde(default)]
        priority: Option<u8>,
    },
    /// Another topic.
    Topic {
        /// Its name, without the prefix.
        name: String,
        /// Also one that this application reads, so that there are jobs of it.
        #[serde(default)]
        again: bool,
    },
    /// A projection, which is built anew from all events of the event store.
    Projection {
        /// Its name.
        name: String,
    },
    /// A file of JSON lines, on the machine of whoever runs it.
    File {
        /// Its path.
        path: PathBuf,
    },
}

impl ReplayInto {
    /// In words.
    pub fn words(&self) -> String {
        match self {
            Self::Routes { group, kinds, again, .. } => {
                let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
                let only = if kinds.is_empty() { String::new() } else { format!(", only {}", kinds.join(", ")) };
                let again = if *again { ", also jobs that there were" } else { "" };
                format!("into the routes of group {group}{only}{again}")
            }
            Self::Topic { name, .. } => format!("onto topic {name}"),
            Self::Projection { name } => format!("into projection {name}, built anew"),
            Self::File { path } => format!("into file {}", path.display()),
        }
    }
}

fn store(site: &Site) -> Result<&ReplayStore, ActError> {
    let missing = "this application has no database, where it is noted how far a replay is; set postgres.url \
        (MILLGATE_POSTGRES_URL) for all its programs, and create the tables with `millgate migrate`";
    site.replays.as_ref().ok_or_else(|| ActError::Refused(missing.into()))
}

fn reader<'a>(site: &'a Site, group: &str) -> Result<&'a Reader, ActError> {
    site.readers.iter().find(|reader| reader.name == group).ok_or_else(|| {
        let known: Vec<&str> = site.readers.iter().map(|reader| reader.name).collect();
        ActError::Refused(format!("there is no group `{group}`; there are: {}", known.join(", ")))
    })
}

/// Refuses what cannot be meant, and fixes where it begins and ends.
async fn prepare(site: &Site, wanted: &Replaying) -> Result<Progress, ActError> {
    let refused = |reason: String| Err(ActError::Refused(reason));
    if let ReplayInto::Projection { name } = &wanted.into {
        return Ok(of_projection(site, name, "", wanted, &Work::new())?.begin().await?);
    }
    if let ReplayInto::Routes { group, .. } = &wanted.into {
        reader(site, group)?;
    }
    if wanted.selection.topics.is_empty() {
        return refused("no topic is named, and the application has none".into());
    }
    let kafka = site.kafka();
    let logs = Logs::new(&kafka, QUESTION);
    match &wanted.into {
        ReplayInto::Routes { group, kinds, .. } => {
            let reader = reader(site, group)?;
            let known: BTreeSet<&str> = reader.routes.topics().collect();
            if let Some(other) = wanted.selection.topics.iter().find(|topic| !known.contains(topic.as_str())) {
                let known: Vec<&str> = known.into_iter().collect();
                return refused(format!(
                    "group {group} has no routes for topic {other}; it reads: {}",
                    known.join(", ")
                ));
            }
            let made: BTreeSet<String> =
                reader.routes.table().outlines().into_iter().map(|outline| outline.kind).collect();
            if let Some(other) = kinds.iter().find(|kind| !made.contains(*kind)) {
                let made: Vec<&str> = made.iter().map(String::as_str).collect();
                return refused(format!(
                    "no route of group {group} makes jobs of kind {other}; there are: {}",
                    made.join(", ")
                ));
            }
        }
        ReplayInto::Topic { name, again } => {
            if wanted.selection.topics.contains(name) {
                return refused(format!("topic {name} cannot be replayed onto itself"));
            }
            let readers = site.readers.iter().filter(|reader| reader.routes.topics().any(|topic| topic == name));
            let readers: Vec<&str> = readers.map(|reader| reader.name).collect();
            if !readers.is_empty() && !again {
                return refused(format!(
                    "group {} reads topic {name}: its bridge would make jobs of what is replayed there; --again if that is \
                     what you want",
                    readers.join(" and ")
                ));
            }
            let followers = site.followers().filter(|follower| follower.topics.contains(name));
            let followers: Vec<&str> = followers.map(|follower| follower.name.as_str()).collect();
            if !followers.is_empty() && !again {
                return refused(format!(
                    "{} reads topic {name}, and would count what is replayed there once more; --again if that is what you want",
                    followers.join(" and ")
                ));
            }
            if logs.layout(&kafka.topic(name)).await?.is_none() {
                return refused(KafkaError::UnknownTopic(kafka.topic(name)).to_string());
            }
        }
        // See above.
        ReplayInto::Projection { .. } => {}
        ReplayInto::File { path } => {
            if path.exists() {
                return refused(format!("{} is there already; name another file, or remove it", path.display()));
            }
        }
    }
    let mut spans = logs.spans(&wanted.selection).await?;
    if let ReplayInto::Routes { group, .. } = &wanted.into {
        live_positions(&reader(site, group)?.kafka, &mut spans).await?;
    }
    Ok(Progress { spans, note: String::new() })
}

fn into_routes(
    site: &Site,
    id: &str,
    wanted: &Replaying,
    asked_at: DateTime<Utc>,
) -> Result<Option<IntoRoutes>, ActError> {
    let ReplayInto::Routes { group, kinds, again, priority } = &wanted.into else { return Ok(None) };
    let reader = reader(site, group)?;
    let mut into = IntoRoutes::new(id, &reader.kafka, reader.routes.clone(), site.queues.clone(), asked_at);
    into.kinds.clone_from(kinds);
    into.values = site.values.clone();
    into.doubling = if *again { Doubling::Again } else { Doubling::Never };
    into.window = site.dedupe_window;
    into.priority = *priority;
    into.strict = wanted.strict;
    Ok(Some(into))
}

fn of_projection<'a>(
    site: &'a Site,
    name: &'a str,
    id: &'a str,
    wanted: &Replaying,
    work: &'a Work,
) -> Result<ProjectionReplay<'a>, ActError> {
    if !wanted.selection.is_everything() {
        return Err(ActError::Refused(format!(
            "projection {name} is the sum of all events: some of them applied again would count twice. Leave out what selects \
            records, and it is built anew from the event store, beside the tables that are read; or replay into routes"
        )));
    }
    if wanted.strict {
        let reason =
            "--strict is about records of Kafka; a projection stands still at an event that it cannot apply, anyhow";
        return Err(ActError::Refused(reason.into()));
    }
    let site = projections(site)?;
    Ok(ProjectionReplay {
        store: &site.store,
        projections: &site.known,
        name,
        id,
        batch_size: site.batch_size,
        rate: wanted.rate.map(|rate| (rate.jobs, rate.per)),
        stop: work.stopping(),
        tell: Box::new(move |done, all| work.at(done, all)),
    })
}

/// Reads everything that would be replayed, and counts. Changes nothing.
pub async fn survey(site: &Site, wanted: &Replaying, work: &Work) -> Result<Tally, ActError> {
    if let ReplayInto::Projection { name } = &wanted.into {
        return Ok(of_projection(site, name, "", wanted, work)?.survey().await?);
    }
    let mut progress = prepare(site, wanted).await?;
    // Nobody waits for whom it would not be done.
    let wanted = Replaying { rate: None, ..wanted.clone() };
    let (kafka, mut tally) = (site.kafka(), Tally::default());
    let replay = Work::clone(work);
    let running = Running { site, wanted: &wanted, work: replay };
    let ended = match &wanted.into {
        ReplayInto::Routes { .. } => {
            let into = into_routes(site, "", &wanted, see::now(site).await?)?;
            let Some(mut into) = into else { return Ok(tally) };
            into.is_dry = true;
            running.run(&mut progress, &mut tally, &mut into, None).await?
        }
        ReplayInto::Topic { name, .. } => {
            running.run(&mut progress, &mut tally, &mut IntoTopic::new(&kafka, name, "").dry(), None).await?
        }
        ReplayInto::Projection { .. } => return Ok(tally),
        ReplayInto::File { path } => {
            let mut into = IntoFile::new(path, &site.values, &kafka.topic_prefix, wanted.strict).dry();
            running.run(&mut progress, &mut tally, &mut into, None).await?
        }
    };
    if ended { Ok(tally) } else { Err(ActError::Refused("it was stopped before all was counted".into())) }
}

/// Notes a replay, to be run. Gives its id.
pub async fn ask_for_replay(site: &Site, who: &str, why: &str, wanted: &Replaying) -> Result<String, ActError> {
    let progress = prepare(site, wanted).await?;
    let id = Uuid::now_v7().simple().to_string().split_off(22);
    store(site)?.add(&id, (who, why), wanted, &progress).await?;
    Ok(id)
}

/// How much is left of a replay.
pub(super) async fn would(site: &Site, id: &str, preview: Preview) -> Result<Preview, ActError> {
    let past = store(site)?.get::<Replaying>(id).await?;
    let (done, all) = past.progress.figures();
    let (selection, into, left) = (&past.wanted.selection, past.wanted.into.words(), all - done.min(all));
    let outcome =
        format!("replay {id} is {}: {selection} {into}, {left} of {all} offsets are left", past.status.as_str());
    Ok(Preview { count: Some(left), outcome: Some(outcome), ..preview })
}

pub(super) async fn run(site: &Site, actor: &Actor, id: &str, work: &Work) -> Result<Performed, ActError> {
    let store = store(site)?;
    // Before it is taken over: what it says of itself stays as it is, where it cannot be run here.
    let asked = store.get::<Replaying>(id).await?;
    match &asked.wanted.into {
        ReplayInto::File { .. } if actor.via != Via::CommandLine => {
            let advice = format!("its file is on the machine of who began it; there: millgate replay resume {id}");
            return Err(ActError::Refused(advice));
        }
        ReplayInto::Routes { .. } => drop(into_routes(site, id, &asked.wanted, asked.asked_at)?),
        ReplayInto::Projection { name } => drop(of_projection(site, name, id, &asked.wanted, work)?),
        ReplayInto::File { .. } | ReplayInto::Topic { .. } => {}
    }
    let (mut notes, past) = store.open::<Replaying>(id).await?;
    let (wanted, mut progress, mut tally) = (past.wanted, past.progress, past.tally);
    let kafka = site.kafka();
    let running = Running { site, wanted: &wanted, work: work.clone() };
    let ended = match &wanted.into {
        ReplayInto::Routes { .. } => match into_routes(site, id, &wanted, past.asked_at)? {
            Some(mut into) => running.run(&mut progress, &mut tally, &mut into, Some(&mut notes)).await,
            None => Ok(false),
        },
        ReplayInto::Topic { name, .. } => {
            let mut into = IntoTopic::new(&kafka, name, id);
            running.run(&mut progress, &mut tally, &mut into, Some(&mut notes)).await
        }
        ReplayInto::Projection { name } => {
            of_projection(site, name, id, &wanted, work)?.run(&mut progress, &mut tally, &mut notes).await
        }
        ReplayInto::File { path } => {
            let mut into = IntoFile::new(path, &site.values, &kafka.topic_prefix, wanted.strict);
            running.run(&mut progress, &mut tally, &mut into, Some(&mut notes)).await
        }
    };
    let problem = ended.as_ref().err().map(ToString::to_string);
    if !matches!(ended, Ok(true)) {
        // If the tables are away, it is known from what they say that it was cut off.
        let noted = notes.stopped(&progress, &tally, problem.as_deref()).await;
        if let (Err(error), None) = (noted, &problem) {
            return Err(error.into());
        }
    }
    let (done, all) = progress.figures();
    let mut performed = Performed::new(match ended {
        Ok(true) => format!("replay {id} is done: {} records {}", tally.selected, wanted.into.words()),
        _ => format!("replay {id} stopped at {done} of {all} offsets; to go on: millgate replay resume {id}"),
    });
    performed.count = Some(tally.selected);
    performed.refused = problem.into_iter().collect();
    performed.figures = figures(&tally);
    Ok(performed)
}

fn figures(tally: &Tally) -> std::collections::BTreeMap<&'static str, u64> {
    let Tally { looked_at, selected, unreadable, expired, read_again, .. } = tally;
    let figures = [
        ("looked_at", *looked_at),
        ("selected", *selected),
        ("unreadable", *unreadable),
        ("expired", *expired),
        ("read_again", *read_again),
    ];
    figures.into()
}

pub(super) async fn stop(site: &Site, id: &str) -> Result<Performed, ActError> {
    Ok(Performed::new(if store(site)?.ask_to_stop(id).await? {
        format!("replay {id} is told to stop; to go on: millgate replay resume {id}")
    } else {
        format!("replay {id} does not run")
    }))
}

/// What it takes to run one.
struct Running<'a> {
    site: &'a Site,
    wanted: &'a Replaying,
    work: Work,
}

impl Running<'_> {
    async fn run(
        &self,
        progress: &mut Progress,
        tally: &mut Tally,
        into: &mut impl Destination,
        notes: Option<&mut ReplayRun>,
    ) -> Result<bool, ReplayError> {
        let kafka = self.site.kafka();
        let replay = Replay {
            kafka: &kafka,
            values: &self.site.values,
            selection: &self.wanted.selection,
            rate: self.wanted.rate.map(|rate| (rate.jobs, rate.per)),
            strict: self.wanted.strict,
            stop: self.work.stopping(),
            tell: &|done, all| self.work.at(done, all),
        };
        replay.run(progress, tally, into, notes).await
    }
}

impl From<ReplayError> for ActError {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Unknown(_) => Self::Gone(error.to_string()),
            ReplayError::Store(error) => error.into(),
            ReplayError::Runs(_) | ReplayError::Done(_) | ReplayError::Refused(_) | ReplayError::Unreadable { .. } => {
                Self::Refused(error.to_string())
            }
            error => Self::Away(error.to_string()),
        }
    }
}

impl From<KafkaError> for ActError {
    fn from(error: KafkaError) -> Self {
        match error {
            KafkaError::UnknownTopic(_) | KafkaError::NoPartition { .. } => Self::Refused(error.to_string()),
            error => Self::Away(error.to_string()),
        }
    }
}
