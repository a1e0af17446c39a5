//! `millgate routes test`: a dry run.

use std::{io::stdin, path::Path};

use anyhow::Context;
use chrono::SecondsFormat;
use millgate_bridge::{Plan, Poison};
use millgate_jobs::{Cancel, NewJob};
use serde_json::{Map, Value, json};

use super::{
    super::{Call, Outcome, answer},
    sample::{self, Sample},
};
use crate::group::MAIN;

pub(super) fn run(call: &Call, file: &Path) -> anyhow::Result<Outcome> {
    let name = file.display().to_string();
    let text = if name == "-" {
        std::io::read_to_string(stdin()).context("standard input cannot be read")?
    } else {
        std::fs::read_to_string(file).with_context(|| format!("{name} cannot be read"))?
    };
    let app = &call.app;
    let samples = sample::read(&text, &app.events, app.name).with_context(|| name.clone())?;
    if samples.is_empty() {
        return Ok(Outcome::Misunderstood(format!("{name} has no event in it")));
    }
    let prefix = &call.configuration.config.kafka.topic_prefix;
    let tables =
        || std::iter::once((None, &app.routes)).chain(app.groups.iter().map(|group| (Some(group.name), &group.routes)));
    let (mut values, mut lines, mut is_well) = (Vec::new(), Vec::new(), true);
    for Sample { line, record } in samples {
        let topic = record.topic.strip_prefix(prefix.as_str()).unwrap_or(&record.topic);
        for (group, routes) in tables() {
            // Other groups do not read what they have no routes for.
            if group.is_some() && !routes.topics().any(|known| known == topic) {
                continue;
            }
            let planned = routes.plan(&record, topic);
            is_well &= planned.is_ok();
            let mut value = json_of(&planned)?;
            let by = group.map(|group| format!(", group {group}")).unwrap_or_default();
            lines.push(format!("{name}:{line}: on topic {topic}{by}: {}", summary(&planned)));
            lines.extend(details(&value));
            value["line"] = line.into();
            value["topic"] = topic.into();
            value["group"] = group.unwrap_or(MAIN).into();
            values.push(value);
        }
    }
    let text = if call.json { serde_json::to_string_pretty(&values)? } else { lines.join("\n") };
    answer::write(&format!("{text}\n"))?;
    Ok(if is_well { Outcome::Well } else { Outcome::NotWell })
}

type Planned = Result<Option<Plan>, Poison>;

fn json_of(planned: &Planned) -> anyhow::Result<Value> {
    Ok(match planned {
        Err(poison) => json!({ "poison": { "code": poison.code(), "message": poison.message() } }),
        Ok(None) => json!({ "tombstone": true }),
        Ok(Some(Plan { jobs, cancels, .. })) => json!({
            "jobs": jobs.iter().map(job).collect::<Result<Vec<_>, _>>()?,
            "cancels": cancels.iter().map(cancel).collect::<Vec<_>>(),
        }),
    })
}

fn job(job: &NewJob) -> Result<Value, serde_json::Error> {
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
        "fields": serde_json::from_str::<Value>(job.payload())?,
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

fn details(value: &Value) -> Vec<String> {
    let list = |name: &str| value[name].as_array().into_iter().flatten().filter_map(Value::as_object);
    let jobs = list("jobs").flat_map(|job| {
        let fields = format!("    {}", job["fields"]);
        [title(job, ""), options(job), fields]
    });
    let cancels = list("cancels").flat_map(|cancel| [title(cancel, "cancel "), options(cancel)]);
    jobs.chain(cancels).collect()
}

fn title(of: &Map<String, Value>, action: &str) -> String {
    let text = |name: &str| of[name].as_str().unwrap_or_default();
    format!("  {action}{}  queue {}", text("kind"), text("queue"))
}

fn options(of: &Map<String, Value>) -> String {
    let options = of.iter().filter(|(name, _)| !matches!(name.as_str(), "kind" | "queue" | "fields"));
    let options = options.map(|(name, value)| match value {
        Value::String(text) => format!("{name} {text}"),
        other => format!("{name} {other}"),
    });
    format!("    {}", options.collect::<Vec<_>>().join(", "))
}
