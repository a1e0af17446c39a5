//! `millgate routes test`: a dry run.

use std::{io::stdin, path::Path};

use anyhow::Context;
use millgate_dashboard::see::{self, Tried};
use serde_json::{Map, Value};

use super::super::{Call, Outcome, answer};
use crate::group::MAIN;

pub(super) fn run(call: &Call, file: &Path) -> anyhow::Result<Outcome> {
    let name = file.display().to_string();
    let text = if name == "-" {
        std::io::read_to_string(stdin()).context("standard input cannot be read")?
    } else {
        std::fs::read_to_string(file).with_context(|| format!("{name} cannot be read"))?
    };
    let app = &call.app;
    let prefix = &call.configuration.config.kafka.topic_prefix;
    let found = see::try_routes(&text, app.name, prefix, &app.events, &app.tables()).with_context(|| name.clone())?;
    if found.is_empty() {
        return Ok(Outcome::Misunderstood(format!("{name} has no event in it")));
    }
    let text = if call.json {
        serde_json::to_string_pretty(&found)?
    } else {
        found.iter().flat_map(|tried| lines(&name, tried)).collect::<Vec<_>>().join("\n")
    };
    answer::write(&format!("{text}\n"))?;
    Ok(if found.iter().all(|tried| tried.is_well) { Outcome::Well } else { Outcome::NotWell })
}

fn lines(name: &str, tried: &Tried) -> Vec<String> {
    let Tried { line, topic, group, summary, .. } = tried;
    let by = if group == MAIN { String::new() } else { format!(", group {group}") };
    let mut lines = vec![format!("{name}:{line}: on topic {topic}{by}: {summary}")];
    lines.extend(details(&tried.outcome));
    lines
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
