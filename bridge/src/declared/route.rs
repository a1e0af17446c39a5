//! One declared route.

use std::time::Duration;

use humantime::format_duration;
use millgate_events::{EventMeta, Value};
use millgate_jobs::{Cancel, JobKind, JobOptions, Unique};
use uuid::Uuid;

use super::{Condition, Template, Unfilled};
use crate::{Action, Outline, Plan, Poison};

/// A route of the configuration file, read and found right.
#[derive(Debug, Clone)]
pub struct DeclaredRoute {
    /// Where it stands: `millgate.toml:12`.
    pub place: String,
    /// The events that it is about.
    pub event_type: String,
    /// Only events that were published in this version of their type.
    pub version: Option<u32>,
    /// All must hold.
    pub when: Vec<Condition>,
    /// What is to be done.
    pub deed: Deed,
}

/// What a declared route does.
#[derive(Debug, Clone)]
pub enum Deed {
    /// Enqueues a job.
    Enqueue(Box<DeclaredJob>),
    /// Cancels the job that waits under a unique key.
    Cancel {
        /// Its kind and queue.
        kind: JobKind,
        /// Its key.
        unique: Template,
    },
}

/// The job that a declared route makes.
#[derive(Debug, Clone)]
pub struct DeclaredJob {
    /// Its kind and queue.
    pub kind: JobKind,
    /// Its arguments: a table.
    pub fields: Template,
    /// Two routes of the same identity make the same job of an event, wherever they stand in the file.
    pub identity: Uuid,
    /// Not before this long after the event.
    pub delay: Option<Duration>,
    /// 0 runs first, 9 last.
    pub priority: Option<u8>,
    /// At most one job of this kind and key.
    pub unique: Option<Template>,
    /// Of jobs with the same unique key only the first within this time is taken in.
    pub once: Option<Duration>,
    /// Jobs with this key run one at a time, in the order they came.
    pub ordered_by: Option<Template>,
    /// How often it may run.
    pub max_attempts: Option<u32>,
    /// How long a run may take.
    pub timeout: Option<Duration>,
}

impl DeclaredRoute {
    /// Whether it is about this event. `data` is of the newest version.
    pub(crate) fn applies(&self, meta: &EventMeta, data: &Value) -> bool {
        self.version.is_none_or(|version| version == meta.version) && self.when.iter().all(|one| one.holds(data))
    }

    /// Adds what it comes to, with the identity of the job.
    pub(crate) fn apply(&self, meta: &EventMeta, data: &Value, plan: &mut Plan) -> Result<Option<Uuid>, Poison> {
        let unfilled = |reason: Unfilled| Poison::Unfilled { route: self.place.clone(), reason };
        match &self.deed {
            Deed::Enqueue(job) => {
                let fields = job.fields.fill(data).map_err(unfilled)?.unwrap_or_default();
                let options = job.options(data).map_err(unfilled)?;
                let new = job.kind.job(&fields, options, meta.time);
                plan.jobs.push(new.map_err(|reason| Poison::Arguments { route: self.place.clone(), reason })?);
                Ok(Some(job.identity))
            }
            Deed::Cancel { kind, unique } => {
                // Without a key there is nothing that could be meant.
                if let Some(unique) = unique.fill_text(data).map_err(unfilled)? {
                    let cancel = Cancel { kind: kind.name().to_owned(), unique, time: meta.time };
                    plan.cancels.push((kind.queue().to_owned(), cancel));
                }
                Ok(None)
            }
        }
    }

    /// What it may come to.
    pub(crate) fn outline(&self) -> Outline {
        let (action, kind, options) = match &self.deed {
            Deed::Enqueue(job) => (Action::Enqueue, &job.kind, job.options_as_text()),
            Deed::Cancel { kind, unique } => (Action::Cancel, kind, vec![format!("unique {unique}")]),
        };
        Outline {
            event: self.event_type.clone(),
            version: self.version,
            action,
            kind: kind.name().to_owned(),
            queue: kind.queue().to_owned(),
            publishes: None,
            place: Some(self.place.clone()),
            conditions: self.when.iter().map(ToString::to_string).collect(),
            options,
        }
    }
}

impl DeclaredJob {
    fn options(&self, data: &Value) -> Result<JobOptions, Unfilled> {
        let key = |template: &Option<Template>| match template {
            Some(template) => template.fill_text(data),
            None => Ok(None),
        };
        let unique = key(&self.unique)?;
        let mut options = JobOptions {
            delay: self.delay,
            priority: self.priority,
            max_attempts: self.max_attempts,
            timeout: self.timeout,
            // Keys of `once` are of the queue, those of `unique` of the kind.
            once: unique.as_ref().zip(self.once).map(|(key, window)| (format!("{}:{key}", self.kind.name()), window)),
            unique: unique.map(Unique::key),
            ..JobOptions::default()
        };
        if let Some(key) = key(&self.ordered_by)? {
            options = options.ordered_by(key);
        }
        Ok(options)
    }

    fn options_as_text(&self) -> Vec<String> {
        let span = |name: &str, span: Option<Duration>| Some(format!("{name} {}", format_duration(span?)));
        let number = |name: &str, number: Option<u32>| Some(format!("{name} {}", number?));
        let key = |name: &str, key: &Option<Template>| Some(format!("{name} {}", key.as_ref()?));
        let options = [
            span("delay", self.delay),
            number("priority", self.priority.map(u32::from)),
            key("unique", &self.unique),
            span("once", self.once),
            key("ordered_by", &self.ordered_by),
            number("max_attempts", self.max_attempts),
            span("timeout", self.timeout),
        ];
        options.into_iter().flatten().collect()
    }
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
