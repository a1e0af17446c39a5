//! What the trail is told of a batch. Nothing waits for it.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use millgate_events::{Became, EventNote, JobNote, Record, Trail};
use millgate_jobs::{Enqueued, NewJob};

use crate::{Plan, Poison};

/// A batch, as it will be noted when it is handed off.
pub(crate) struct Noting<'a> {
    trail: &'a Trail,
    group: Arc<str>,
    events: Vec<EventNote>,
    /// What queues said of jobs, by their names. An event that is published twice has twice the same names, and queues
    /// answer in the order of the records.
    told: Mutex<HashMap<String, VecDeque<Enqueued>>>,
}

impl<'a> Noting<'a> {
    /// `None` where nothing is noted.
    pub(crate) fn begin(trail: &'a Trail, group: &str) -> Option<Self> {
        let noting = || Self { trail, group: group.into(), events: Vec::new(), told: Mutex::default() };
        trail.is_on().then(noting)
    }

    /// What a record of the topic named `topic` (without the prefix) comes to. What is poison is noted whatever its story.
    pub(crate) fn planned(&mut self, record: &Record, topic: &str, plan: &Result<Option<Plan>, Poison>) {
        let Some(mut event) = EventNote::of(record, topic, &self.group) else { return };
        match plan {
            Ok(Some(plan)) if self.trail.takes(event.correlation()) => {
                event.jobs.extend(plan.jobs.iter().map(|job| JobNote {
                    kind: job.kind.clone(),
                    queue: job.queue.clone(),
                    id: job.name().unwrap_or_default().to_owned(),
                    key: None,
                    became: Became::Before,
                }));
                event.jobs.extend(plan.cancels.iter().map(|(queue, cancel)| JobNote {
                    kind: cancel.kind.clone(),
                    queue: queue.clone(),
                    id: cancel.unique.clone(),
                    key: None,
                    became: Became::Cancels,
                }));
                self.events.push(event);
            }
            Ok(_) => {}
            Err(poison) => self.events.push(event.with_problem(poison.code())),
        }
    }

    /// What became of a job.
    pub(crate) fn tell(&self, job: &NewJob, became: Enqueued) {
        if let Some(name) = job.name() {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            told.entry(name.to_owned()).or_default().push_back(became);
        }
    }

    /// The batch is handed off.
    pub(crate) fn end(self) {
        let Self { trail, mut events, told, .. } = self;
        let mut told = told.into_inner().unwrap_or_else(PoisonError::into_inner);
        for job in events.iter_mut().flat_map(|event| &mut event.jobs) {
            if job.became == Became::Cancels {
                continue;
            }
            let Some(became) = told.get_mut(&job.id).and_then(VecDeque::pop_front) else { continue };
            job.key = became.id().map(|id| id.to_string());
            job.became = match became {
                Enqueued::New(_) => Became::New,
                Enqueued::Duplicate => Became::Duplicate,
                Enqueued::Held(_) => Became::Held,
                Enqueued::Cancelled => Became::Cancelled,
            };
        }
        trail.events(events);
    }
}
