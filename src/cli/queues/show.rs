//! What is shown of queues.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use humantime::format_duration;
use millgate_jobs::{Limits, Queue, QueueStats};
use serde_json::Value;

use super::super::{Outcome, moment::span};
use crate::servers::Servers;

/// A queue, and how long its oldest waiting job has waited.
struct View {
    stats: QueueStats,
    now: DateTime<Utc>,
}

impl View {
    async fn of(queue: &Queue) -> anyhow::Result<Self> {
        Ok(Self { stats: queue.stats().await?, now: queue.now().await? })
    }

    fn oldest_age(&self) -> Option<std::time::Duration> {
        // A job that came between the two questions is newer than neither.
        Some((self.now - self.stats.oldest?).to_std().unwrap_or_default())
    }

    fn json(&self) -> anyhow::Result<Value> {
        let mut value = serde_json::to_value(&self.stats)?;
        value["oldest_age_seconds"] = self.oldest_age().map(|age| age.as_secs()).into();
        Ok(value)
    }

    fn text(&self, name: &str) -> String {
        let QueueStats { waiting, delayed, held, active, unburied, kept, .. } = self.stats;
        let age = self.oldest_age().map(|age| format!(" (the oldest for {})", span(age))).unwrap_or_default();
        let kept = if kept > 0 { format!(", {kept} done and kept") } else { String::new() };
        let mut lines = vec![format!(
            "{name}: {waiting} waiting{age}, {delayed} delayed, {held} held, {active} active, \
             {unburied} dead and not yet on the dead-letter topic{kept}"
        )];
        if self.stats.paused {
            lines.push("  paused: no worker takes jobs from it".to_owned());
        }
        if self.stats.draining {
            lines.push("  draining: it takes no more jobs".to_owned());
        }
        let limits = limits(&self.stats.limits);
        if !limits.is_empty() {
            lines.push(format!("  limits: {limits}"));
        }
        lines.extend(self.stats.kinds.iter().map(|(kind, counts)| {
            format!(
                "  {kind:<26} enqueued {:>6}  done {:>6}  retried {:>4}  cancelled {:>4}  dead {:>4}",
                counts.enqueued, counts.done, counts.retried, counts.cancelled, counts.dead
            )
        }));
        lines.join("\n")
    }
}

/// As `queues limit` takes them.
fn limits(limits: &Limits) -> String {
    let number = |value: Option<u64>| value.map(|value| value.to_string());
    let time = |value: Option<std::time::Duration>| value.map(|value| format_duration(value).to_string());
    let rate = limits.rate.map(|rate| format!("{}/{}", rate.jobs, format_duration(rate.per)));
    let all = [
        ("max-jobs", number(limits.max_jobs)),
        ("concurrency", number(limits.concurrency)),
        ("rate", rate),
        ("ageing", time(limits.ageing)),
        ("keep-done", number(limits.keep_done)),
        ("keep-done-for", time(limits.keep_done_for)),
        ("dead-keep", number(limits.dead_keep)),
        ("dead-keep-for", time(limits.dead_keep_for)),
    ];
    let set = all.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value?)));
    set.collect::<Vec<_>>().join(", ")
}

pub(super) async fn all(servers: &Servers, json: bool) -> anyhow::Result<Outcome> {
    let mut views = BTreeMap::new();
    for name in servers.queue_names() {
        let view = View::of(&servers.queues.queue(&name)).await?;
        views.insert(name, view);
    }
    if json {
        let values = views.iter().map(|(name, view)| Ok((name, view.json()?)));
        println!("{}", serde_json::to_string_pretty(&values.collect::<anyhow::Result<BTreeMap<_, _>>>()?)?);
    } else {
        for (name, view) in &views {
            println!("{}", view.text(name));
        }
    }
    Ok(Outcome::Well)
}

pub(super) async fn one(queue: &Queue, json: bool) -> anyhow::Result<Outcome> {
    let view = View::of(queue).await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&BTreeMap::from([(queue.name(), view.json()?)]))?);
    } else {
        println!("{}", view.text(queue.name()));
    }
    Ok(Outcome::Well)
}
