//! What is shown of queues.

use std::{collections::BTreeMap, time::Duration};

use humantime::format_duration;
use millgate_dashboard::{
    Site,
    see::{self, QueueView},
};
use millgate_jobs::{Limits, QueueStats};

use super::super::{Outcome, moment::span};

fn text(view: &QueueView) -> String {
    let QueueStats { waiting, delayed, held, active, unburied, kept, .. } = view.stats;
    let age = view.oldest_age().map(|age| format!(" (the oldest for {})", span(age))).unwrap_or_default();
    let kept = if kept > 0 { format!(", {kept} done and kept") } else { String::new() };
    let mut lines = vec![format!(
        "{}: {waiting} waiting{age}, {delayed} delayed, {held} held, {active} active, \
         {unburied} dead and not yet on the dead-letter topic{kept}",
        view.name
    )];
    if view.stats.paused {
        lines.push("  paused: no worker takes jobs from it".to_owned());
    }
    if view.stats.draining {
        lines.push("  draining: it takes no more jobs".to_owned());
    }
    let limits = limits(&view.stats.limits);
    if !limits.is_empty() {
        lines.push(format!("  limits: {limits}"));
    }
    lines.extend(view.stats.kinds.iter().map(|(kind, counts)| {
        format!(
            "  {kind:<26} enqueued {:>6}  done {:>6}  retried {:>4}  cancelled {:>4}  dead {:>4}",
            counts.enqueued, counts.done, counts.retried, counts.cancelled, counts.dead
        )
    }));
    lines.join("\n")
}

/// As `queues limit` takes them.
fn limits(limits: &Limits) -> String {
    let number = |value: Option<u64>| value.map(|value| value.to_string());
    let time = |value: Option<Duration>| value.map(|value| format_duration(value).to_string());
    let rate = limits.rate.map(|rate| rate.to_string());
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

pub(super) async fn all(site: &Site, json: bool) -> anyhow::Result<Outcome> {
    show(&see::queues(site).await?, json)
}

pub(super) async fn one(site: &Site, name: &str, json: bool) -> anyhow::Result<Outcome> {
    show(&[QueueView::of(&site.queues.queue(name)).await?], json)
}

fn show(views: &[QueueView], json: bool) -> anyhow::Result<Outcome> {
    if json {
        let views: BTreeMap<&str, &QueueView> = views.iter().map(|view| (view.name.as_str(), view)).collect();
        println!("{}", serde_json::to_string_pretty(&views)?);
        return Ok(Outcome::Well);
    }
    for view in views {
        println!("{}", text(view));
    }
    Ok(Outcome::Well)
}
