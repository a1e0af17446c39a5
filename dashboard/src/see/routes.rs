//! Routes as one sees them, and what they would make of an event.

use anyhow::Context;
use chrono::SecondsFormat;
use millgate_bridge::{Outline, Plan, Poison, Routes};
use millgate_events::Record;
use millgate_jobs::{Cancel, NewJob};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Mask,
    sample::{self, Sample},
    unmasked,
};
use crate::EventRegistry;

/// What becomes of the events of a type in one group.
#[derive(Debug, Serialize)]
pub struct EventRoutes {
    /// The group.
    pub group: String,
    /// The type.
    pub event: String,
    /// Its routes; none: it comes to nothing.
    pub routes: Vec<Outline>,
}

/// What a record would come to in one group.
#[derive(Debug, Serialize)]
pub struct Tried {
    /// Where it stands in what was tried.
    pub line: usize,
    /// Its topic, without the prefix.
    pub topic: String,
    /// The group.
    pub group: String,
    /// `jobs` and `cancels`, `tombstone`, or `poison`.
    #[serde(flatten)]
    pub outcome: Value,
    /// The same in a few words.
    #[serde(skip)]
    pub summary: String,
    /// Whether it is no poison.
    #[serde(skip)]
    pub is_well: bool,
}

/// All routes of these groups as they are now, by group and event type.
pub fn routes<'a>(tables: impl IntoIterator<Item = (&'a str, &'a Routes)>) -> Vec<EventRoutes> {
    let mut found = Vec::new();
    for (group, routes) in tables {
        let outlines = routes.table().outlines();
        found.extend(routes.event_types().into_iter().map(|event| EventRoutes {
            group: group.to_owned(),
            event: event.to_owned(),
            routes: outlines.iter().filter(|outline| outline.event == event).cloned().collect(),
        }));
    }
    found
}

/// What the events of a text would come to: events as `millgate publish` takes them, or records.
pub fn try_routes<'a>(
    text: &str,
    application: &str,
    prefix: &str,
    events: &EventRegistry,
    tables: &(impl IntoIterator<Item = (&'a str, &'a Routes)> + Clone),
) -> anyhow::Result<Vec<Tried>> {
    let mut found = Vec::new();
    for Sample { line, record } in sample::read(text, events, application)? {
        let plans = plans(&record, prefix, tables.clone(), &unmasked).with_context(|| format!("line {line}"))?;
        found.extend(plans.into_iter().map(|tried| Tried { line, ..tried }));
    }
    Ok(found)
}

/// What a record would come to in each of these groups, the main one first, as far as it may be shown. Changes nothing.
pub fn plans<'a>(
    record: &Record,
    prefix: &str,
    tables: impl IntoIterator<Item = (&'a str, &'a Routes)>,
    mask: Mask<'_>,
) -> Result<Vec<Tried>, serde_json::Error> {
    let topic = record.topic.strip_prefix(prefix).unwrap_or(&record.topic);
    let mut found = Vec::new();
    for (number, (group, routes)) in tables.into_iter().enumerate() {
        // Other groups than the main one do not read what they have no routes for.
        if number > 0 && !routes.topics().any(|known| known == topic) {
            continue;
        }
        let planned = routes.plan(record, topic);
        found.push(Tried {
            line: 1,
            topic: topic.to_owned(),
            group: group.to_owned(),
            outcome: json_of(&planned, mask)?,
            summary: summary(&planned),
            is_well: planned.is_ok(),
        });
    }
    Ok(found)
}

type Planned = Result<Option<Plan>, Poison>;

fn json_of(planned: &Planned, mask: Mask<'_>) -> Result<Value, serde_json::Error> {
    Ok(match planned {
        Err(poison) => json!({ "poison": { "code": poison.code(), "message": poison.message() } }),
        Ok(None) => json!({ "tombstone": true }),
        Ok(Some(Plan { jobs, cancels, .. })) => json!({
            "jobs": jobs.iter().map(|it| job(it, mask)).collect::<Result<Vec<_>, _>>()?,
            "cancels": cancels.iter().map(cancel).collect::<Vec<_>>(),
        }),
    })
}

fn job(job: &NewJob, mask: Mask<'_>) -> Result<Value, serde_json::Error> {
    let options = job.options();
    let time = |time: chrono::DateTime<chrono::Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
    let span = |span: std::time::Duration| humantime::format_duration(span).to_string();
    let once = options.once.as_ref().map(|(key, window)| json!({ "key": key, "window": span(*window) }));
    let value = json!({
        "kind": job.kind, "queue": job.queue, "id": job.id, "priority": job.priority,
        "run_at": job.run_at().map(time), "unique": job.unique(), "once": once,
        "lane": options.lane.as_ref().map(|lane| lane.key().to_owned()),
        "max_attempts": options.max_attempts, "timeout": options.timeout.map(span),
        "index": Some(&options.index).filter(|index| !index.is_empty()),
        "fields": mask(&job.kind, serde_json::from_str(job.payload())?),
    });
    Ok(said(value))
}

fn cancel((queue, cancel): &(String, Cancel)) -> Value {
    json!({ "kind": cancel.kind, "queue": queue, "unique": cancel.unique })
}

/// Without what is not said.
fn said(mut value: Value) -> Value {
    if let Value::Object(fields) = &mut value {
        fields.retain(|_, value| !value.is_null());
    }
    value
}

fn summary(planned: &Planned) -> String {
    match planned {
        Err(poison) => format!("poison, {}: {}", poison.code(), poison.message()),
        Ok(None) => "a tombstone, which comes to nothing".to_owned(),
        Ok(Some(plan)) if plan.jobs.is_empty() && plan.cancels.is_empty() => "comes to nothing".to_owned(),
        Ok(Some(plan)) => format!("{} jobs, {} cancels", plan.jobs.len(), plan.cancels.len()),
    }
}
