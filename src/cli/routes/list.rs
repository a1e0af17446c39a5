//! `millgate routes list`.

use millgate_bridge::{Action, Outline};
use millgate_dashboard::see::{self, EventRoutes};

use super::super::{Call, Outcome, answer};
use crate::group::MAIN;

pub(super) fn run(call: &Call) -> anyhow::Result<Outcome> {
    let found = see::routes(call.app.tables());
    if call.json {
        answer::write(&format!("{}\n", serde_json::to_string_pretty(&found)?))?;
        return Ok(Outcome::Well);
    }
    let (mut text, mut last) = (String::new(), MAIN);
    for EventRoutes { group, event, routes } in &found {
        if group != last {
            text += &["\ngroup ", group, "\n\n"].concat();
            last = group;
        }
        text += event;
        text += if routes.is_empty() { ": comes to nothing\n" } else { "\n" };
        text.extend(routes.iter().map(line));
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
