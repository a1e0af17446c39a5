//! `millgate routes list`.

use millgate_bridge::{Action, Outline};
use serde_json::{Value, json};

use super::super::{Call, Outcome, answer};
use crate::group::MAIN;

pub(super) fn run(call: &Call) -> anyhow::Result<Outcome> {
    let mut values: Vec<Value> = Vec::new();
    let mut text = String::new();
    let groups = call.app.groups.iter().map(|group| (group.name, &group.routes));
    for (group, routes) in std::iter::once((MAIN, &call.app.routes)).chain(groups) {
        let outlines = routes.table().outlines();
        if group != MAIN {
            text += &["\ngroup ", group, "\n\n"].concat();
        }
        for event in routes.event_types() {
            let of_event: Vec<&Outline> = outlines.iter().filter(|outline| outline.event == event).collect();
            text += event;
            text += if of_event.is_empty() { ": comes to nothing\n" } else { "\n" };
            for outline in &of_event {
                text += &line(outline);
            }
            values.push(json!({ "group": group, "event": event, "routes": of_event }));
        }
    }
    if call.json {
        text = format!("{}\n", serde_json::to_string_pretty(&values)?);
    }
    answer::write(&text)?;
    Ok(Outcome::Well)
}

fn line(outline: &Outline) -> String {
    let what = match (outline.action, &outline.publishes) {
        (Action::Cancel, _) => format!("cancel {}", outline.kind),
        (Action::Publish, Some(event)) => format!("publish {event}"),
        _ => outline.kind.clone(),
    };
    let place = outline.place.as_deref().unwrap_or("code");
    let version = outline.version.map(|version| format!("version {version}"));
    let when = outline.conditions.iter().map(|condition| format!("when {condition}"));
    let more: Vec<String> = version.into_iter().chain(when).chain(outline.options.iter().cloned()).collect();
    let line = format!("  {what:<26} queue {:<12} {place}  {}", outline.queue, more.join(", "));
    format!("{}\n", line.trim_end())
}
