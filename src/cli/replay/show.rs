//! `millgate replay show`.

use std::fmt::Write;

use millgate_dashboard::{Site, act::Replaying};
use millgate_events::{PastReplay, ReplayStatus};
use serde_json::{Value, json};

use super::{
    super::{Outcome, answer, moment::point},
    figures, store,
};

pub(super) async fn run(site: &Site, json: bool, id: &str) -> anyhow::Result<Outcome> {
    let store = match store(site) {
        Ok(store) => store,
        Err(outcome) => return Ok(outcome),
    };
    let past: PastReplay<Replaying> = store.get(id).await?;
    if json {
        answer::write(&format!("{:#}\n", as_json(&past)))?;
    } else {
        answer::write(&text(&past)?)?;
    }
    Ok(Outcome::Well)
}

pub(super) fn as_json(past: &PastReplay<Replaying>) -> Value {
    let (done, all) = past.progress.figures();
    let partitions = past.progress.spans.iter().map(|span| {
        json!({
            "topic": span.topic, "partition": span.partition, "from": span.from, "next": span.next, "until": span.until,
        })
    });
    json!({
        "id": past.id, "asked_at": past.asked_at, "asked_by": past.asked_by, "why": past.why, "wanted": past.wanted,
        "status": past.status, "tally": past.tally, "problem": past.problem, "moved_at": past.moved_at,
        "offsets_done": done, "offsets": all, "partitions": partitions.collect::<Vec<_>>(),
    })
}

fn text(past: &PastReplay<Replaying>) -> Result<String, std::fmt::Error> {
    let (done, all) = past.progress.figures();
    let PastReplay { id, asked_by, why, wanted, .. } = past;
    let (mut out, is_why) = (String::new(), if why.is_empty() { "" } else { ": " });
    writeln!(out, "replay {id}: {}, {done} of {all} offsets, as of {}", past.status.as_str(), point(past.moved_at))?;
    writeln!(out, "asked for by {asked_by} at {}{is_why}{why}", point(past.asked_at))?;
    writeln!(out, "{} {}", wanted.selection, wanted.into.words())?;
    if let Some(problem) = &past.problem {
        writeln!(out, "it could not go on: {problem}")?;
    }
    for span in &past.progress.spans {
        writeln!(out, "  {:<40} {:>10} of {} to {}", span.name(), span.next, span.from, span.until)?;
    }
    out.push_str(&figures::text(&past.tally));
    if !matches!(past.status, ReplayStatus::Done | ReplayStatus::Running) {
        writeln!(out, "to go on: millgate replay resume {id}")?;
    }
    Ok(out)
}
