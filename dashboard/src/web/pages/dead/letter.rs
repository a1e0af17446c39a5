//! A dead letter with its whole story.

use maud::{Markup, html};
use millgate_events::{LetterFilter, LetterKind, LetterStatus, StoredLetter};
use serde_json::Value;

use super::{
    super::super::{address::encoded, form, moment::time, page::Page, trouble::Trouble, view::View},
    cause::{discard, redrive},
};
use crate::{
    act::Action,
    see::{self, LetterView, in_lines, payload, unmasked, what_died},
};

/// Longer payloads are for the command line.
const SHOWN: usize = 65_536;

pub(super) async fn one(view: View) -> Result<Page, Trouble> {
    let text = view.param("id");
    let wrong = || Trouble::NotFound(format!("`{text}` is no letter's id"));
    let id = text.parse().map_err(|_| wrong())?;
    let mask = |of: &str, value: Value| view.masked(of, value);
    let found = see::letter(view.site(), id, &mask).await?;
    let LetterView { letter, key, payload, edited, actions, .. } =
        found.ok_or_else(|| Trouble::NotFound(format!("there is no letter {id}; it may have expired")))?;
    let what = what_died(&letter);
    let main = html! {
        p.crumbs {
            a href=(view.link("/dead")) { "Dead letters" } " › "
            a href=(view.link(&format!("/dead/{}", encoded(&letter.fingerprint)))) { (letter.code) }
        }
        h1 { (what) " " (state(&letter)) }
        pre #message { (letter.message) }
        div.grid {
            div.card { h2 { "What died" } (facts(&view, &letter)) }
            div.card { h2 { "Story" } (story(&letter, &actions)) }
        }
        (acts(&view, &letter, edited.as_ref().or(payload.as_ref())))
        @if let Some(key) = &key { h2 { "Key" } pre #key { (cut(&in_lines(key))) } }
        @if let Some(edited) = &edited { h2 { "Goes instead of the payload" } pre #edited { (cut(&in_lines(edited))) } }
        @if let Some(payload) = &payload { h2 { "Payload" } pre #payload { (cut(&in_lines(payload))) } }
        @if !letter.headers.0.is_empty() { h2 { "Headers" } (headers(&letter.headers.0)) }
    };
    Ok(Page::new(format!("Dead letter {what}"), "dead", main))
}

/// Its state as a tag.
pub(super) fn state(letter: &StoredLetter) -> Markup {
    let tone = match letter.status {
        LetterStatus::Dead => "bad",
        LetterStatus::Redriving => "warn",
        LetterStatus::Redriven => "good",
        LetterStatus::Discarded => "plain",
    };
    html! { span.tag.(tone) { (letter.status) } }
}

fn facts(view: &View, letter: &StoredLetter) -> Markup {
    let record = letter.topic.as_ref().zip(letter.partition).zip(letter.offset);
    let plain = [
        ("Group", &letter.consumer_group),
        ("Event source", &letter.event_source),
        ("Request", &letter.correlation_id),
        ("Saga", &letter.saga_id),
        ("Trace", &letter.trace_id),
    ];
    html! {
        dl.facts {
            dt { "Letter" } dd { code { (letter.id) } }
            dt { "Kind" } dd { (letter.kind) }
            @if let (LetterKind::Job, Some(queue), Some(id)) = (letter.kind, &letter.queue, &letter.job_id) {
                dt { "Queue" } dd { a href=(view.link(&format!("/queues/{}", encoded(queue)))) { (queue) } }
                dt { "Job" } dd { a href=(view.link(&format!("/jobs/{}/{}", encoded(queue), encoded(id)))) { (id) } }
            }
            @if let Some(event) = &letter.event_type { dt { "Event type" } dd { (event) } }
            @if let Some(id) = &letter.event_id { dt { "Event" } dd { a href=(view.link(&format!("/events/{}", encoded(id)))) { (id) } } }
            @if let Some(((topic, partition), offset)) = record {
                dt { "Record" } dd { a href=(view.link(&format!("/topics/{}/{partition}/{offset}", encoded(topic)))) { (topic) "/" (partition) "/" (offset) } }
            }
            @for (name, value) in plain { @if let Some(value) = value { dt { (name) } dd { (value) } } }
            dt { "Attempts" } dd { (letter.attempts) }
            dt { "Redrives before" } dd { (letter.redrives) }
            dt { "Fingerprint" } dd { code { (letter.fingerprint) } }
        }
    }
}

fn story(letter: &StoredLetter, actions: &[millgate_events::PastAction]) -> Markup {
    html! {
        ol.timeline {
            @if letter.failures.0.is_empty() {
                li.warn { (time(letter.first_failed_at)) " failed first" }
            }
            @for failure in &letter.failures.0 {
                li.warn { (time(failure.at)) " attempt " (failure.attempt) ": " strong { (failure.code) } br; (failure.message) }
            }
            li.bad { (time(letter.failed_at)) " died: " strong { (letter.code) } }
            @for action in actions {
                li.good {
                    (time(action.began_at)) " " strong { (action.what) } " by " (action.who) ", of " (action.letters) " letters: " (action.why)
                    @if action.ended_at.is_none() { " " span.tag.warn { "under way, or cut off" } }
                }
            }
            @if let Some(at) = letter.settled_at { li.good { (time(at)) " " (letter.status) } }
        }
    }
}

fn acts(view: &View, letter: &StoredLetter, shown: Option<&Value>) -> Markup {
    if !letter.status.is_open() {
        return html! {};
    }
    let only = || LetterFilter { ids: vec![letter.id], queue: letter.queue.clone(), ..LetterFilter::default() };
    let edit = |payload| Action::EditLetter { letter: letter.id, payload, why: String::new() };
    // Masks would be put in the place of what they hide; and a part in the place of the whole.
    let current = letter.current_payload().filter(|bytes| bytes.len() <= SHOWN);
    let current = current.map(|bytes| payload(what_died(letter), bytes, &unmasked)).filter(|it| Some(it) == shown);
    html! {
        div.grid data-keep #acts {
            div.card { h2 { "Redrive" } (redrive(view, only(), &html! {}, "Redrive")) }
            @if letter.status == LetterStatus::Dead {
                div.card { h2 { "Discard" } (discard(view, only(), &html! {}, "Discard")) }
                div.card {
                    h2 { "Edit the payload" }
                    @let fields = html! {
                        label.field { "Payload (JSON), for its redrive; its own is kept" textarea name="/payload" rows="8" required { (current.as_ref().map(in_lines).unwrap_or_default()) } }
                        span.filters { label { "Why" input name="/why" required placeholder="a name was missing"; } }
                    };
                    (form::form(view, &edit(None), &fields, "Edit"))
                    @if letter.edited.is_some() {
                        @let why = html! { input type="hidden" name="/why" value="its own payload again"; };
                        (form::form(view, &edit(None), &why, "Take back the edit"))
                    }
                }
            }
        }
    }
}

fn headers(headers: &[(String, Value)]) -> Markup {
    html! {
        div.scroll tabindex="0" {
            table.rows #headers {
                thead { tr { th scope="col" { "Name" } th scope="col" { "Value" } } }
                tbody { @for (name, value) in headers {
                    tr { th scope="row" { (name) } td { (value.as_str().map_or_else(|| value.to_string(), str::to_owned)) } }
                } }
            }
        }
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}\n… {} more bytes: `millgate dlq show` has all", &text[..end], text.len() - end),
    }
}
