//! `millgate dlq show`.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use millgate_dashboard::{
    Site,
    see::{self, no_letter, what_died},
};
use millgate_events::{LetterKind, PastAction, StoredLetter};
use uuid::Uuid;

use super::{
    super::{
        Outcome, answer,
        moment::{from_now, point},
    },
    letter_id,
};

#[derive(clap::Args)]
pub(in crate::cli) struct Args {
    /// Its id, as `dlq list` and the header `x-dlq-id` have it
    #[arg(value_parser = letter_id)]
    id: Uuid,
}

pub(super) async fn run(site: &Site, json: bool, args: Args) -> anyhow::Result<Outcome> {
    let Some(view) = see::letter(site, args.id, &see::unmasked).await? else { anyhow::bail!(no_letter(args.id)) };
    if json {
        answer::write(&format!("{}\n", serde_json::to_string_pretty(&view)?))?;
    } else {
        answer::write(&text(&view.letter, &view.actions, view.now)?)?;
    }
    Ok(Outcome::Well)
}

fn text(letter: &StoredLetter, actions: &[PastAction], now: DateTime<Utc>) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    let say = &mut out;
    writeln!(say, "letter       {}", letter.id)?;
    writeln!(say, "state        {}", letter.status)?;
    match letter.kind {
        LetterKind::Event => writeln!(say, "event        {}", what_died(letter))?,
        LetterKind::Job => {
            let (queue, id) = (letter.queue.as_deref().unwrap_or("?"), letter.job_id.as_deref().unwrap_or("?"));
            writeln!(say, "job          {} {id} of queue {queue}", what_died(letter))?;
            if let Some(event_type) = &letter.event_type {
                writeln!(say, "event        {event_type}")?;
            }
        }
    }
    if let (Some(id), Some(source)) = (&letter.event_id, &letter.event_source) {
        writeln!(say, "event id     {id} of {source}")?;
    }
    if let (Some(topic), Some(partition), Some(offset)) = (&letter.topic, letter.partition, letter.offset) {
        writeln!(say, "record       {topic}/{partition}/{offset}")?;
    }
    let texts = [
        ("group", &letter.consumer_group),
        ("request", &letter.correlation_id),
        ("saga", &letter.saga_id),
        ("trace", &letter.trace_id),
    ];
    for (name, value) in texts {
        if let Some(value) = value {
            writeln!(say, "{name:<12} {value}")?;
        }
    }
    writeln!(say, "why          {}: {}", letter.code, indented(&letter.message))?;
    writeln!(say, "fingerprint  {}", letter.fingerprint)?;
    writeln!(say, "failed       {}, {}", point(letter.failed_at), from_now(letter.failed_at, now))?;
    writeln!(say, "attempts     {}", letter.attempts)?;
    for failure in &letter.failures.0 {
        let (at, message) = (point(failure.at), indented(&failure.message));
        writeln!(say, "  {:>3}        {at}  {}: {message}", failure.attempt, failure.code)?;
    }
    writeln!(say, "redrives     {}", letter.redrives)?;
    for (name, bytes) in [("key", &letter.key), ("payload", &letter.payload), ("edited", &letter.edited)] {
        if let Some(bytes) = bytes {
            writeln!(say, "{name:<12} {}", String::from_utf8_lossy(bytes))?;
        }
    }
    for (number, (name, value)) in letter.headers.0.iter().enumerate() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        writeln!(say, "{:<12} {name}: {value}", if number == 0 { "headers" } else { "" })?;
    }
    for action in actions {
        let end = if action.ended_at.is_some() { "" } else { " (under way, or cut off)" };
        let PastAction { what, who, why, began_at, letters, .. } = action;
        writeln!(say, "{what:<12} {} by {who}, of {letters} letters{end}: {why}", point(*began_at))?;
    }
    Ok(out)
}

fn indented(message: &str) -> String {
    message.replace('\n', "\n             ")
}
