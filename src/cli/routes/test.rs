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
    let routes = app.routes.table();
    let (mut values, mut text, mut is_well) = (Vec::new(), String::new(), true);
    for Sample { line, record } in samples {
        let topic = record.topic.strip_prefix(prefix.as_str()).unwrap_or(&record.topic).to_owned();
        let planned = routes.plan(&record, &topic);
        is_well &= planned.is_ok();
        let value = json_of(&planned)?;
        text += &format!("{name}:{line}: on topic {topic}: {}", as_text(&planned, &value));
        let mut entry = json!({ "line": line, "topic": topic });
        merge(&mut entry, value);
        values.push(entry);
    }
    if call.json {
        text = format!("{}\n", serde_json::to_string_pretty(&values)?);
    }
    answer::write(&text)?;
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

fn merge(entry: &mut Value, more: Value) {
    if let (Value::Object(entry), Value::Object(more)) = (entry, more) {
        entry.extend(more);
    }
}

fn as_text(planned: &Planned, value: &Value) -> String {
    let list = |name: &str| value[name].as_array().into_iter().flatten().filter_map(Value::as_object);
    match planned {
        Err(poison) => format!("poison, {}: {}\n", poison.code(), poison.message()),
        Ok(None) => "a tombstone, which comes to nothing\n".to_owned(),
        Ok(Some(plan)) if plan.jobs.is_empty() && plan.cancels.is_empty() => "comes to nothing\n".to_owned(),
        Ok(Some(plan)) => {
            let mut text = format!("{} jobs, {} cancels\n", plan.jobs.len(), plan.cancels.len());
            for job in list("jobs") {
                text += &format!("  {}\n    {}\n    {}\n", title(job, ""), options(job), job["fields"]);
            }
            for cancel in list("cancels") {
                text += &format!("  {}\n    {}\n", title(cancel, "cancel "), options(cancel));
            }
            text
        }
    }
}

fn title(of: &Map<String, Value>, action: &str) -> String {
    let text = |name: &str| of[name].as_str().unwrap_or_default();
    format!("{action}{}  queue {}", text("kind"), text("queue"))
}

fn options(of: &Map<String, Value>) -> String {
    let options = of.iter().filter(|(name, _)| !matches!(name.as_str(), "kind" | "queue" | "fields"));
    let options = options.map(|(name, value)| match value {
        Value::String(text) => format!("{name} {text}"),
        other => format!("{name} {other}"),
    });
    options.collect::<Vec<_>>().join(", ")
}
