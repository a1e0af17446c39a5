//! Events: those of a moment ago, and one's whole life.

use std::time::Duration;

use chrono::{DateTime, Utc};
use maud::{Markup, html};
use millgate_events::{Became, JobNote, PastEvent, Wanted};
use serde_json::Value;

use super::super::{
    address::encoded,
    moment::{span, time},
    page::Page,
    trouble::Trouble,
    view::View,
};
use crate::see::{self, AttemptLife, EventLife, JobLife, LetterLife, Life, Link, Look, Moment, Outcome, Severity};

/// Events on a page.
const MOST: u16 = 50;

#[derive(serde::Deserialize)]
struct Recent {
    before: Option<DateTime<Utc>>,
    #[serde(rename = "type", default)]
    event_type: String,
}

/// What was handed off last.
pub(super) async fn recent(view: View) -> Result<Page, Trouble> {
    let Recent { before, event_type } = view.query()?;
    let wanted = Some(event_type.as_str()).filter(|text| !text.is_empty());
    let events = match &view.site().trail {
        Some(trail) => {
            trail.recent(before, wanted, MOST.into()).await.map_err(|error| Trouble::Away(error.to_string()))?
        }
        None => Vec::new(),
    };
    let main = html! {
        h1 { "Events" }
        form.filters action=(view.link("/events/find")) {
            label { "Id" input name="id" required placeholder="of an event, an order, a request, a trace, a job"; }
            label { "It is" select name="by" {
                option value="any" { "any of these" } option value="event" { "an event's id" } option value="key" { "an order's id (the event's key)" }
                option value="correlation" { "a correlation id" } option value="trace" { "a trace's id" } option value="job" { "a job's id" }
            } }
            button.main { "Show its life" }
        }
        @if let Some(why) = without_trail(&view) { p.empty { (why) } }
        @else if events.is_empty() {
            p.empty { "No event was handed off " @if wanted.is_some() || before.is_some() { "that fits" } @else { "yet: publish one, and see that a bridge runs (" code { "millgate bridge" } ")" } "." }
        } @else {
            form.filters { label { "Type" input name="type" value=(event_type) placeholder="order.created"; } button { "Filter" } }
            div.scroll tabindex="0" { table.rows {
                thead { tr { th { "Handed off" } th { "Event" } th { "Key" } th { "Came to" } th { "Where" } th { "Group" } } }
                tbody { @for event in &events { (row(&view, event)) } }
            } }
            @if let Some(last) = events.last().filter(|_| events.len() == usize::from(MOST)) {
                @let older = format!("/events?before={}&type={}", encoded(&last.handed_off_at.to_rfc3339()), encoded(&event_type));
                p { a.button href=(view.link(&older)) { "Older" } }
            }
        }
    };
    Ok(Page::new("Events", "events", main))
}

/// Why there is nothing to show, and what to do.
fn without_trail(view: &View) -> Option<&'static str> {
    match (&view.site().trail, view.site().trail_is_kept) {
        (None, _) => {
            Some("There is no database, so nothing is noted of events. Set postgres.url, and run `millgate migrate`.")
        }
        (_, false) => Some(
            "The trail is switched off: set trail.keep to \"7d\", say. Until then events are found on Kafka, by their ids.",
        ),
        _ => None,
    }
}

fn row(view: &View, event: &PastEvent) -> Markup {
    let place = format!("{}/{}/{}", event.topic, event.partition, event.offset);
    html! {
        tr id=(format!("event-{}-{}", place.replace('/', "-"), event.consumer_group)) {
            td { (time(event.handed_off_at)) }
            th scope="row" { a href=(view.link(&format!("/events/{}?by=event", encoded(&event.event_id)))) { (event.event_type) } }
            td { @if let Some(key) = &event.key { a href=(view.link(&format!("/events/{}?by=key", encoded(key)))) { (key) } } }
            td {
                @if let Some(problem) = &event.problem { span.tag.bad { (problem) } }
                @else if event.jobs.0.is_empty() { span.faint { "no job" } }
                @for job in &event.jobs.0 { (came_to(job)) " " }
            }
            td.mono { (place) }
            td { (event.consumer_group) }
        }
    }
}

fn came_to(job: &JobNote) -> Markup {
    let (class, word) = match job.became {
        Became::New => ("", ""),
        Became::Duplicate | Became::Before => ("faint", " (before)"),
        Became::Held => ("warn", " (held)"),
        Became::Cancelled => ("warn", " (cancelled)"),
        Became::Cancels => ("warn", " cancelled"),
    };
    html! { span.tag.(class) { (job.kind) (word) } }
}

#[derive(serde::Deserialize)]
struct Query {
    id: Option<String>,
    #[serde(default)]
    by: String,
    #[serde(default)]
    since: String,
    #[serde(default)]
    search: String,
}

/// The life that a page's address asks for.
pub(in crate::web) async fn asked(view: &View) -> Result<Life, Trouble> {
    let Query { id, by, since, search } = view.query()?;
    let id = id.filter(|_| view.param("id") == "find").unwrap_or_else(|| view.param("id").to_owned()).trim().to_owned();
    let wanted = match by.as_str() {
        "event" => Wanted::Event(id.clone()),
        "key" => Wanted::Key(id.clone()),
        "correlation" => Wanted::Correlation(id.clone()),
        "trace" => Wanted::Trace(id.clone()),
        "job" => Wanted::Job(id.clone()),
        _ => Wanted::Any(id.clone()),
    };
    let now = see::now(view.site()).await?;
    let since = (!since.is_empty()).then(|| humantime::parse_duration(&since)).transpose();
    let since =
        since.map_err(|error| Trouble::Misunderstood(format!("`since` is a time such as 2h or 1day: {error}")))?;
    let since = since.and_then(|since| chrono::TimeDelta::from_std(since).ok()).map(|since| now - since);
    let mask = |of: &str, value: Value| view.masked(of, value);
    let look = Look { since, on_kafka: search == "kafka", mask: &mask, now };
    Ok(Life::find(view.site(), wanted, &look).await)
}

/// An event's whole life, by any id.
pub(super) async fn life(view: View) -> Result<Page, Trouble> {
    let life = asked(&view).await?;
    let Query { by, search, .. } = view.query()?;
    let id = life.wanted.text().to_owned();
    if !life.is_known() {
        return Ok(Page::new(id.clone(), "events", unknown(&view, &life, &id, &by, &search)));
    }
    let main = html! {
        p.crumbs { a href=(view.link("/events")) { "Events" } " › " (life.wanted) }
        h1 { (heading(&life, &id)) }
        @for problem in &life.problems { p.wrong { (problem) } }
        (summary(&view, &life))
        section.card aria-labelledby="story" {
            h2 #story { "What happened" }
            ol.timeline { @for moment in &life.timeline { (moment_of(&view, moment, &life)) } }
        }
        @if !life.jobs.is_empty() {
            h2 { "Jobs" }
            @for job in &life.jobs { (job_of(&view, job)) }
        }
        h2 { "Events" }
        @for event in &life.events { (event_of(&view, event)) }
        @if !life.letters.is_empty() {
            h2 { "Dead letters" }
            @for letter in &life.letters { (letter_of(&view, letter)) }
        }
    };
    Ok(Page::new(heading(&life, &id), "events", main))
}

fn heading(life: &Life, id: &str) -> String {
    match life.events.first() {
        Some(event) => match &event.key {
            Some(key) => format!("{} {key}", event.event_type),
            None => event.event_type.clone(),
        },
        None => life.jobs.first().map_or_else(|| id.to_owned(), |job| format!("{} {}", job.kind, job.id)),
    }
}

fn unknown(view: &View, life: &Life, id: &str, by: &str, search: &str) -> Markup {
    html! {
        p.crumbs { a href=(view.link("/events")) { "Events" } }
        h1 data-still { "Nothing is known of " (id) }
        @for problem in &life.problems { p.wrong { (problem) } }
        p { "Searched: " (life.searched.join("; ")) "." }
        @if search == "kafka" {
            p { "Its record may be older than what was searched, or than what Kafka keeps." }
        } @else {
            p { "What the trail does not know may still lie on Kafka. To search it takes some seconds." }
        }
        form.filters action=(view.link(&format!("/events/{}", encoded(id)))) {
            input type="hidden" name="by" value=(by);
            input type="hidden" name="search" value="kafka";
            label { "Search Kafka back for" input name="since" placeholder="2h; empty: by the time in the id"; }
            button.main { "Search" }
        }
    }
}

/// All of it in a line or two.
fn summary(view: &View, life: &Life) -> Markup {
    let count = |state: &str| life.jobs.iter().filter(|job| job.state == state).count();
    let open = life.letters.iter().filter(|letter| letter.letter.status.is_open()).count();
    let first = life.timeline.first().map(|moment| moment.at);
    let last = life.timeline.last().map(|moment| moment.at);
    let took = first.zip(last).and_then(|(first, last)| (last - first).to_std().ok());
    html! {
        dl.figures {
            div { dt { "Events" } dd { (life.events.len()) } }
            div { dt { "Jobs" } dd { (life.jobs.len()) } }
            @for (state, name) in [("done", "Done"), ("active", "Running"), ("waiting", "Waiting"), ("delayed", "Delayed"), ("cancelled", "Cancelled"), ("dead", "Dead")] {
                @if count(state) > 0 { div { dt { (name) } dd { (count(state)) } } }
            }
            @if open > 0 { div { dt { "Dead letters" } dd { span.tag.bad { (open) } } } }
            @if let Some(took) = took { div { dt { "From first to last" } dd { (span(took)) } } }
        }
        @if let Some(event) = life.events.first() {
            dl.facts.card {
                dt { "Correlation" } dd { a href=(view.link(&format!("/events/{}?by=correlation", encoded(&event.correlation_id)))) { code { (event.correlation_id) } } }
                @if let Some(trace) = &event.trace_id { dt { "Trace" } dd { a href=(view.link(&format!("/events/{}?by=trace", encoded(trace)))) { code { (trace) } } } }
            }
        }
    }
}

fn class(severity: Severity) -> &'static str {
    match severity {
        Severity::Good => "good",
        Severity::Info => "info",
        Severity::Warning => "warn",
        Severity::Bad => "bad",
    }
}

fn moment_of(view: &View, moment: &Moment, life: &Life) -> Markup {
    let first = life.timeline.first().map_or(moment.at, |first| first.at);
    let after = (moment.at - first).to_std().unwrap_or_default();
    let link = moment.link.as_ref().map(|link| match link {
        Link::Event { id } => format!("#event-{id}"),
        Link::Job { queue, id } => format!("#job-{queue}-{id}"),
        Link::Letter { id } => view.link(&format!("/dead/letter/{}", encoded(id))),
    });
    html! {
        li.(class(moment.severity)) {
            span.faint { (time(moment.at)) " · +" (span(after)) } br;
            @if let Some(link) = link { a href=(link) { (moment.text) } } @else { (moment.text) }
        }
    }
}

fn outcome(outcome: Outcome) -> (&'static str, &'static str) {
    match outcome {
        Outcome::Done => ("good", "done"),
        Outcome::Failed => ("warn", "failed"),
        Outcome::Dead => ("bad", "failed for good"),
        Outcome::Cancelled => ("warn", "called off"),
        Outcome::Snoozed => ("", "put itself off"),
        Outcome::HandedBack => ("", "given back"),
        Outcome::Running => ("", "running"),
        Outcome::CutOff => ("bad", "cut off"),
        Outcome::Unknown => ("warn", "unknown"),
    }
}

fn job_of(view: &View, job: &JobLife) -> Markup {
    html! {
        section.card id=(format!("job-{}-{}", job.queue, job.id)) {
            h3 {
                @if let Some(now) = &job.now { a href=(view.link(&format!("/jobs/{}/{}", encoded(&job.queue), encoded(&now.key)))) { (job.kind) } }
                @else { (job.kind) }
                " " span.tag.(job.state) { (job.state) }
            }
            dl.facts {
                dt { "Job" } dd { code { (job.id) } " in " a href=(view.link(&format!("/queues/{}", encoded(&job.queue)))) { (job.queue) } }
                @if let Some(now) = &job.now {
                    dt { "Attempts" } dd { (now.attempts) " of " (now.max_attempts) }
                    @if let Some(percent) = now.progress { dt { "Progress" } dd { (format!("{percent:.0} %")) } }
                    dt { "Arguments" } dd { (json(&now.arguments)) }
                }
            }
            @if !job.attempts.is_empty() { (attempts(&job.attempts)) }
            @if let Some(now) = job.now.as_ref().filter(|now| !now.log.is_empty()) { h4 { "Log" } (log(&now.log)) }
        }
    }
}

fn attempts(attempts: &[AttemptLife]) -> Markup {
    html! {
        div.scroll tabindex="0" { table.rows {
            thead { tr { th.n { "Attempt" } th { "Began" } th.n { "Took" } th { "Worker" } th { "Outcome" } th { "Error and log" } } }
            tbody { @for attempt in attempts {
                @let (class, word) = outcome(attempt.outcome);
                tr {
                    td.n { (attempt.attempt) }
                    td { @if let Some(at) = attempt.began_at { (time(at)) } }
                    td.n { @if let Some(took) = attempt.took_us { (span(Duration::from_micros(took.unsigned_abs()))) } }
                    td { @if let Some(worker) = &attempt.worker { (worker) } }
                    td { span.tag.(class) { (word) } }
                    td {
                        @if let Some(code) = &attempt.code { code { (code) } " " }
                        @if let Some(message) = &attempt.message { (message) }
                        @if !attempt.log.is_empty() { (log(&attempt.log)) }
                    }
                }
            } }
        } }
    }
}

fn log(lines: &[(DateTime<Utc>, String)]) -> Markup {
    html! { ul.log { @for (at, line) in lines { li { (time(*at)) " " (line) } } } }
}

fn event_of(view: &View, event: &EventLife) -> Markup {
    let place = &event.place;
    let record = format!("/topics/{}/{}/{}", encoded(&place.topic), place.partition, place.offset);
    html! {
        section.card id=(format!("event-{}", event.id)) {
            h3 { (event.event_type) " " code { (event.id) } }
            dl.facts {
                dt { "Published" } dd { (time(event.published_at())) " by " (event.source) " on " a href=(view.link(&record)) { (place.topic) "/" (place.partition) "/" (place.offset) } }
                @if let Some(key) = &event.key { dt { "Key" } dd { (key) } }
                @if let Some(cause) = &event.causation_id { dt { "Caused by" } dd { a href=(view.link(&format!("/events/{}", encoded(cause)))) { code { (cause) } } } }
                @if !event.led_to.is_empty() { dt { "Led to" } dd { @for id in &event.led_to { a href=(format!("#event-{id}")) { code { (id) } } " " } } }
                @for handed_off in &event.handed_off {
                    dt { "Handed off" } dd {
                        (time(handed_off.at)) " by " a href=(view.link(&format!("/groups/{}", encoded(&handed_off.group)))) { (handed_off.group) } " "
                        @for job in &handed_off.jobs { (came_to(job)) " " }
                    }
                }
                @for route in &event.routes {
                    dt { "Routed" } dd { (format!("{:?}", route.action).to_lowercase()) " " strong { (route.kind) } " in " (route.queue) " (" (route.group) @if let Some(place) = &route.place { ", " (place) } ")" }
                }
                @if let Some(problem) = &event.problem { dt { "Problem" } dd { span.tag.bad { (problem) } } }
            }
            @if let Some(record) = &event.record {
                details { summary { "Payload, " (record.bytes) " bytes" @if record.was_claimed { ", from the claim store" } } @if let Some(payload) = &record.payload { (json(payload)) } @else { p { "None: a tombstone." } } }
                details { summary { "Headers" } dl.facts { @for (name, value) in &record.headers { dt { (name) } dd { code { (plain(value)) } } } } }
            } @else { p.faint { "Kafka does not have its record any more, or does not answer." } }
        }
    }
}

fn letter_of(view: &View, letter: &LetterLife) -> Markup {
    let LetterLife { letter, actions } = letter;
    html! {
        section.card {
            h3 { a href=(view.link(&format!("/dead/letter/{}", letter.id))) { (letter.code) } " " span.tag { (letter.status) } }
            p { (letter.message) }
            dl.facts {
                dt { "Died" } dd { (time(letter.failed_at)) }
                @for action in actions { dt { (action.what) } dd { (time(action.began_at)) " by " (action.who) ": " (action.why) } }
            }
        }
    }
}

/// JSON for people.
fn json(value: &Value) -> Markup {
    html! { pre tabindex="0" { (serde_json::to_string_pretty(value).unwrap_or_default()) } }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
