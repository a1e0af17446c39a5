//! An event of a story.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use millgate_bridge::{Action, Plan};
use millgate_events::{EventMeta, JobNote, PastEvent, Place};
use serde::Serialize;

use crate::{
    Site,
    see::record::{Opened, RecordView},
};

/// An event, where it lies, and what became of it.
#[derive(Debug, Clone, Serialize)]
pub struct EventLife {
    /// Its id.
    pub id: String,
    /// Its source.
    pub source: String,
    /// Its type.
    pub event_type: String,
    /// Version of its shape.
    pub version: u32,
    /// When it happened, as it says itself.
    pub time: DateTime<Utc>,
    /// Its subject, or else its key.
    pub key: Option<String>,
    /// Shared by everything that one request set off.
    pub correlation_id: String,
    /// The event or job that caused it.
    pub causation_id: Option<String>,
    /// Its trace.
    pub trace_id: Option<String>,
    /// Where it lies.
    pub place: Place,
    /// By which groups, when, and what it came to; empty: the trail has nothing of that.
    pub handed_off: Vec<HandedOff>,
    /// What routes, as they are now, make of it.
    pub routes: Vec<RoutedBy>,
    /// Why they make nothing of it.
    pub problem: Option<String>,
    /// The record itself, as far as Kafka still has it.
    pub record: Option<RecordView>,
    /// Events of the story that it caused.
    pub led_to: Vec<String>,
    /// Names of the jobs that routes make of it now: they follow from the event.
    #[serde(skip)]
    pub(super) planned: Vec<(String, String, String)>,
}

/// A hand-off by one group.
#[derive(Debug, Clone, Serialize)]
pub struct HandedOff {
    /// The consumer group.
    pub group: String,
    /// When its jobs were in their queues.
    pub at: DateTime<Utc>,
    /// Jobs, and cancels.
    pub jobs: Vec<JobNote>,
    /// Of poison: why, in a word.
    pub problem: Option<String>,
}

/// A route that makes something of an event.
#[derive(Debug, Clone, Serialize)]
pub struct RoutedBy {
    /// The group's name.
    pub group: String,
    /// What it does.
    pub action: Action,
    /// The kind of the job.
    pub kind: String,
    /// Its queue.
    pub queue: String,
    /// Where it is declared; nothing: in the code.
    pub place: Option<String>,
    /// What must hold.
    pub conditions: Vec<String>,
}

impl EventLife {
    /// As the trail has it.
    pub(super) fn noted(past: &PastEvent) -> Self {
        Self {
            id: past.event_id.clone(),
            source: past.event_source.clone(),
            event_type: past.event_type.clone(),
            version: u32::try_from(past.version).unwrap_or_default(),
            time: past.event_time,
            key: past.key.clone(),
            correlation_id: past.correlation_id.clone(),
            causation_id: past.causation_id.clone(),
            trace_id: past.trace_id.clone(),
            place: Place { topic: past.topic.clone(), partition: past.partition, offset: past.offset },
            handed_off: Vec::new(),
            routes: Vec::new(),
            problem: None,
            record: None,
            led_to: Vec::new(),
            planned: Vec::new(),
        }
    }

    /// As it lies on Kafka.
    pub(super) fn read(meta: EventMeta, place: Place, key: Option<String>) -> Self {
        Self {
            id: meta.id,
            source: meta.source,
            event_type: meta.event_type,
            version: meta.version,
            time: meta.time,
            key: meta.subject.or(key),
            correlation_id: meta.correlation_id,
            causation_id: meta.causation_id,
            trace_id: meta.trace.map(|trace| trace.trace_id()),
            place,
            handed_off: Vec::new(),
            routes: Vec::new(),
            problem: None,
            record: None,
            led_to: Vec::new(),
            planned: Vec::new(),
        }
    }

    /// One more group has handed it off.
    pub(super) fn hand_off(&mut self, past: &PastEvent) {
        self.handed_off.push(HandedOff {
            group: past.consumer_group.clone(),
            at: past.handed_off_at,
            jobs: past.jobs.0.clone(),
            problem: past.problem.clone(),
        });
    }

    /// Takes the record in, and asks all routes what they make of it: they are pure functions.
    pub(super) fn open(&mut self, opened: Opened, site: &Site, topic_prefix: &str) {
        let topic = opened.record.topic.strip_prefix(topic_prefix).unwrap_or(&opened.record.topic).to_owned();
        for reader in site.readers.iter().filter(|reader| reader.routes.topics().any(|known| known == topic)) {
            let table = reader.routes.table();
            match table.plan(&opened.record, &topic) {
                Ok(Some(plan)) => {
                    let made = made(&plan);
                    let outlines = table.outlines().into_iter().filter(|outline| {
                        outline.event == self.event_type
                            && outline.version.is_none_or(|version| version == self.version)
                            && made.contains(&(outline.queue.as_str(), outline.kind.as_str()))
                    });
                    self.routes.extend(outlines.map(|outline| RoutedBy {
                        group: reader.name.to_owned(),
                        action: outline.action,
                        kind: outline.kind,
                        queue: outline.queue,
                        place: outline.place,
                        conditions: outline.conditions,
                    }));
                    let names = plan
                        .jobs
                        .iter()
                        .filter_map(|job| Some((job.queue.clone(), job.kind.clone(), job.name()?.to_owned())));
                    self.planned.extend(names);
                }
                Ok(None) => {}
                Err(poison) => self.problem = Some(format!("{}: {}", poison.code(), poison.message())),
            }
        }
        self.record = Some(opened.view);
    }

    /// When it was published: Kafka's time of it, or else its own.
    pub fn published_at(&self) -> DateTime<Utc> {
        self.record.as_ref().and_then(|record| record.timestamp).unwrap_or(self.time)
    }
}

/// Queues and kinds that a plan names.
fn made(plan: &Plan) -> BTreeSet<(&str, &str)> {
    let jobs = plan.jobs.iter().map(|job| (job.queue.as_str(), job.kind.as_str()));
    let cancels = plan.cancels.iter().map(|(queue, cancel)| (queue.as_str(), cancel.kind.as_str()));
    jobs.chain(cancels).collect()
}
