//! The flow as a picture: topics, bridge, queues, workers, dead letters, and what goes from each to each.

use std::collections::{BTreeMap, BTreeSet};

use millgate_jobs::{History, Process};
use serde::Serialize;

use super::{
    PartitionLag, QueueView,
    wrong::{Group, serving, unknown_kinds},
};
use crate::Follower;

/// So many topics that only streams read are drawn one by one.
const ONE_BY_ONE: usize = 4;

/// Where in the flow something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// A topic of events.
    Topic,
    /// A group of bridges.
    Bridge,
    /// A stream, which folds topics into tables.
    Stream,
    /// A queue.
    Queue,
    /// The workers.
    Workers,
    /// The dead letters.
    Dead,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// As it should be.
    Good,
    /// Somebody should look.
    Warn,
    /// Work stands still.
    Bad,
}

/// A box of the picture.
#[derive(Debug, Clone, Serialize)]
pub struct Place {
    /// Where in the flow it is.
    pub stage: Stage,
    /// Its name.
    pub name: String,
    /// How it is.
    pub health: Health,
    /// The same in words.
    pub words: String,
    /// The page that shows it, as parts of its path.
    pub page: Vec<String>,
}

/// What goes from one box to another.
#[derive(Debug, Clone, Serialize)]
pub struct Arrow {
    /// The number of the box that it goes from.
    pub from: usize,
    /// The number of the box that it goes to.
    pub to: usize,
    /// How many a second, of late; nothing where it is not known one by one.
    pub rate: Option<f64>,
}

/// The flow.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Flow {
    /// Its boxes, stage by stage.
    pub places: Vec<Place>,
    /// What goes on between them.
    pub arrows: Vec<Arrow>,
}

/// What it is drawn of.
pub(super) struct Sources<'a> {
    pub(super) groups: &'a [Group],
    pub(super) streams: &'a [Follower],
    /// Those are drawn as a box of their own.
    pub(super) dead_letter_topics: &'a [String],
    pub(super) processes: &'a [Process],
    pub(super) queues: &'a [QueueView],
    /// The last hour of each queue, in the same order.
    pub(super) hours: &'a [History],
    /// The last hour of each topic, by group.
    pub(super) events: &'a BTreeMap<(&'static str, &'static str), History>,
    /// How far the groups are behind, as far as it is known.
    pub(super) lags: Option<&'a [PartitionLag]>,
    /// The same of the streams.
    pub(super) stream_lags: Option<&'a [PartitionLag]>,
    /// Dead jobs of the last hour.
    pub(super) dead: u64,
}

impl Flow {
    pub(super) fn of(sources: &Sources<'_>) -> Self {
        let mut flow = Self::default();
        let topics = flow.topics(sources);
        let groups: Vec<usize> = sources.groups.iter().map(|group| flow.put(bridge(sources, group))).collect();
        for stream in sources.streams {
            let at = flow.put(fold(sources, stream));
            // How much of a topic goes to a stream nobody keeps a history of.
            let from: BTreeSet<usize> = folded(sources, stream).map(|topic| topics[topic]).collect();
            flow.arrows.extend(from.into_iter().map(|from| Arrow { from, to: at, rate: None }));
        }
        let queues: Vec<usize> = sources.queues.iter().map(|view| flow.put(queue(sources, view))).collect();
        let workers = flow.put(workers(sources));
        let dead = flow.put(letters(sources));
        for (group, &at) in sources.groups.iter().zip(&groups) {
            for topic in &group.topics {
                let rate =
                    sources.events.get(&(group.name, *topic)).map(|hour| hour.rate_now(|point| point.handed_off));
                flow.arrows.push(Arrow { from: topics[topic], to: at, rate });
            }
            let histories = sources.events.iter().filter(|((name, _), _)| *name == group.name);
            let poison: f64 = histories.map(|(_, hour)| hour.rate_now(|point| point.poison)).sum();
            if poison > 0.0 {
                flow.arrows.push(Arrow { from: at, to: dead, rate: Some(poison) });
            }
        }
        for ((view, hour), &at) in sources.queues.iter().zip(sources.hours).zip(&queues) {
            let filled = || sources.groups.iter().zip(&groups).filter(|(group, _)| group.queues.contains(&view.name));
            // Of several that fill it nobody knows which how much.
            let rate = (filled().count() == 1).then(|| hour.rate_now(|point| point.enqueued));
            flow.arrows.extend(filled().map(|(_, &from)| Arrow { from, to: at, rate }));
            flow.arrows.push(Arrow { from: at, to: workers, rate: Some(hour.rate_now(|point| point.started)) });
        }
        let died = sources.hours.iter().map(|hour| hour.rate_now(|point| point.dead)).sum();
        flow.arrows.push(Arrow { from: workers, to: dead, rate: Some(died) });
        flow
    }

    /// The box of each topic: one by one those that bridges read, and the others unless they are many.
    fn topics<'a>(&mut self, sources: &Sources<'a>) -> BTreeMap<&'a str, usize> {
        let routed: BTreeSet<&str> = sources.groups.iter().flat_map(|group| group.topics.iter().copied()).collect();
        let others = sources.streams.iter().flat_map(|stream| folded(sources, stream));
        let others: BTreeSet<&str> = others.filter(|topic| !routed.contains(topic)).collect();
        let mut put = |name: &'a str, lags, all| {
            let state = behind(lags, |topic| topic == name, all);
            (name, self.put(place(Stage::Topic, name, state, &["topics", name])))
        };
        let mut topics: BTreeMap<&str, usize> =
            routed.iter().map(|&name| put(name, sources.lags, "all handed off")).collect();
        if others.len() <= ONE_BY_ONE {
            topics.extend(others.iter().map(|&name| put(name, sources.stream_lags, "all in tables")));
        } else {
            let state = behind(sources.stream_lags, |topic| others.contains(topic), "all in tables");
            let at = self.put(place(Stage::Topic, &format!("{} more topics", others.len()), state, &["topics"]));
            topics.extend(others.iter().map(|&name| (name, at)));
        }
        topics
    }

    fn put(&mut self, place: Place) -> usize {
        self.places.push(place);
        self.places.len() - 1
    }
}

fn place(stage: Stage, name: &str, (health, words): (Health, String), page: &[&str]) -> Place {
    let page = page.iter().map(|&part| part.to_owned()).collect();
    Place { stage, name: name.to_owned(), health, words, page }
}

/// The topics of a stream that are drawn as such.
fn folded<'a>(sources: &Sources<'a>, stream: &'a Follower) -> impl Iterator<Item = &'a str> + use<'a> {
    let dead = sources.dead_letter_topics;
    stream.topics.iter().filter(|topic| !dead.contains(topic)).map(String::as_str)
}

/// How far those who read some topics are behind in them.
fn behind(lags: Option<&[PartitionLag]>, is_meant: impl Fn(&str) -> bool, all: &str) -> (Health, String) {
    let Some(lags) = lags else { return (Health::Warn, "Kafka has not said yet".to_owned()) };
    let lags = lags.iter().filter(|lag| is_meant(&lag.topic) && lag.records > 0);
    let (records, seconds) =
        lags.fold((0, 0), |(records, most), lag| (records + lag.records, lag.seconds.unwrap_or(0).max(most)));
    match (records, seconds) {
        (0, _) => (Health::Good, all.to_owned()),
        (records, 60..) => (Health::Warn, format!("{records} behind, {seconds} s")),
        (records, seconds) => (Health::Good, format!("{records} behind, {seconds} s")),
    }
}

/// How a consumer group is: who runs it, and what of it waits.
fn at_work(sources: &Sources<'_>, of_kafka: &str) -> (Health, String) {
    let runs = |process: &&Process| process.groups.iter().any(|bridged| bridged.group == of_kafka);
    let running: Vec<&Process> = sources.processes.iter().filter(runs).collect();
    let troubles = running.iter().flat_map(|process| &process.troubles);
    let waits = troubles
        .filter(|trouble| trouble.partition.is_some())
        .filter(|trouble| trouble.group.as_ref().is_none_or(|group| group == of_kafka))
        .count();
    let bridged = running.iter().flat_map(|process| &process.groups).filter(|bridged| bridged.group == of_kafka);
    let partitions: usize = bridged.flat_map(|bridged| bridged.partitions.values()).map(Vec::len).sum();
    match (running.len(), waits) {
        (0, _) => (Health::Bad, "not running".to_owned()),
        (_, 1..) => (Health::Bad, format!("{waits} of {partitions} partitions wait")),
        (1, _) => (Health::Good, format!("running, {partitions} partitions")),
        (count, _) => (Health::Good, format!("{count} run, {partitions} partitions")),
    }
}

fn bridge(sources: &Sources<'_>, group: &Group) -> Place {
    place(Stage::Bridge, group.name, at_work(sources, &group.of_kafka), &["workers"])
}

fn fold(sources: &Sources<'_>, stream: &Follower) -> Place {
    let group = &stream.kafka.consumer_group;
    let lags = sources.stream_lags.unwrap_or_default().iter().filter(|lag| lag.reader == stream.name);
    let (records, seconds) =
        lags.fold((0, 0), |(records, most), lag| (records + lag.records, lag.seconds.unwrap_or(0).max(most)));
    let state = match at_work(sources, group) {
        (Health::Good, _) if seconds >= 60 => (Health::Warn, format!("{records} behind, {seconds} s")),
        state => state,
    };
    place(Stage::Stream, &stream.name, state, &["groups", group])
}

fn queue(sources: &Sources<'_>, view: &QueueView) -> Place {
    let stats = &view.stats;
    let waiting = stats.waiting;
    let state = if stats.paused {
        (Health::Warn, format!("paused, {waiting} wait"))
    } else if waiting > 0 && !serving(sources.processes, &view.name).any(|process| !process.quiet) {
        (Health::Bad, format!("no worker, {waiting} wait"))
    } else if !unknown_kinds(view, sources.processes).is_empty() {
        (Health::Bad, "a kind that no worker knows".to_owned())
    } else if stats.draining {
        (Health::Warn, format!("draining, {waiting} wait"))
    } else {
        match view.oldest_age_seconds {
            Some(age @ 60..) => (Health::Warn, format!("{waiting} wait, for {age} s")),
            _ => (Health::Good, format!("{waiting} wait, {} run", stats.active)),
        }
    };
    place(Stage::Queue, &view.name, state, &["queues", &view.name])
}

fn workers(sources: &Sources<'_>) -> Place {
    let working: Vec<&Process> = sources.processes.iter().filter(|process| !process.queues.is_empty()).collect();
    let worked = || working.iter().flat_map(|process| &process.queues);
    let in_hand: u64 = worked().map(|queue| queue.in_hand).sum();
    let places: usize = worked().map(|queue| queue.concurrency).sum();
    let quiet = working.iter().filter(|process| process.quiet).count();
    let state = match (working.len(), quiet) {
        (0, _) => (Health::Bad, "none is running".to_owned()),
        (count, quiet) if count == quiet => (Health::Bad, "all are quiet".to_owned()),
        (count, 1..) => (Health::Warn, format!("{count} run, {quiet} quiet, {in_hand} of {places} busy")),
        (count, _) => (Health::Good, format!("{count} run, {in_hand} of {places} busy")),
    };
    place(Stage::Workers, "workers", state, &["workers"])
}

fn letters(sources: &Sources<'_>) -> Place {
    let state = match sources.dead {
        0 => (Health::Good, "none in the last hour".to_owned()),
        dead => (Health::Warn, format!("{dead} in the last hour")),
    };
    place(Stage::Dead, "dead letters", state, &["dead"])
}
