//! The audit log: who did what to what, by the application's events.

use std::{fmt::Write, sync::Arc};

use axum::{
    Router,
    body::Body,
    http::header::{CONTENT_DISPOSITION, CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use futures::stream;
use maud::{Markup, html};
use millgate_streams::AuditLog;
use serde_json::Value;

use super::super::{
    Web, address, csv,
    moment::time,
    page::{Page, page},
    trouble::Trouble,
    view::View,
};
use crate::see::{self, AuditChoice, AuditPage, AuditView, in_lines};

/// Entries in one look, and in a file.
const STEP: u32 = 1_000;
const MOST: usize = 100_000;
/// Longer payloads are for the command line.
const SHOWN: usize = 65_536;

pub(super) fn routes() -> Router<Arc<Web>> {
    Router::new()
        .route("/audit-logs", page(list))
        .route("/audit-logs/export", get(export))
        .route("/audit-logs/{chain}/{number}", page(one))
}

/// What the form says, as it stands in the address.
#[derive(Debug, Default, Clone, serde::Deserialize)]
#[serde(default)]
struct Said {
    user: String,
    resource: String,
    #[serde(rename = "type")]
    event_type: String,
    topic: String,
    action: String,
    correlation: String,
    errors: String,
    since: String,
    until: String,
}

impl Said {
    fn query(&self, more: &[(&str, &String)]) -> String {
        let own = [
            ("user", &self.user),
            ("resource", &self.resource),
            ("type", &self.event_type),
            ("topic", &self.topic),
            ("action", &self.action),
            ("correlation", &self.correlation),
            ("errors", &self.errors),
            ("since", &self.since),
            ("until", &self.until),
        ];
        address::query(&[&own, more].concat())
    }
}

async fn list(view: View) -> Result<Page, Trouble> {
    if view.site().audit_logs.is_none() {
        let main = html! { h1 { "Audit log" } p.empty { (see::no_audit_log()) } };
        return Ok(Page::new("Audit log", "audit-logs", main));
    }
    let (choice, said): (AuditChoice, Said) = (view.query()?, view.query()?);
    let mask = |of: &str, value: Value| view.masked(of, value);
    let AuditPage { entries, more_after } = see::audit_logs(view.site(), &choice, &mask).await?;
    let main = html! {
        h1 { "Audit log" }
        p.faint { "What happened, by the events. What operators did stands in the " a href=(view.link("/audit")) { "audit" } "." }
        (filters(&said))
        @if entries.is_empty() {
            p.empty { "Nothing of the kind is recorded." }
        } @else {
            div.scroll tabindex="0" {
                table.rows {
                    thead { tr {
                        th scope="col" { "When" } th scope="col" { "Who" } th scope="col" { "What" } th scope="col" { "To what" }
                        th scope="col" { "Event" } th scope="col" { "What went wrong" }
                    } }
                    tbody { @for AuditView { entry, .. } in &entries { (row(&view, entry)) } }
                }
            }
            p {
                a.button href=(view.link(&format!("/audit-logs/export?{}", said.query(&[])))) { "As CSV" } " "
                @if let Some(after) = more_after {
                    a.button href=(view.link(&format!("/audit-logs?{}", said.query(&[("after", &after.to_string())])))) { "Older" }
                }
            }
        }
    };
    Ok(Page::new("Audit log", "audit-logs", main))
}

fn filters(said: &Said) -> Markup {
    let fields = [
        ("User", "user", &said.user),
        ("Resource", "resource", &said.resource),
        ("Event type", "type", &said.event_type),
        ("Request", "correlation", &said.correlation),
        ("Since", "since", &said.since),
    ];
    html! {
        form.filters method="get" {
            label { "Show"
                select name="errors" data-go {
                    option value="" { "all" }
                    option value="true" selected[said.errors == "true"] { "what went wrong" }
                }
            }
            @for (label, name, value) in fields {
                label { (label) input name=(name) value=(value) placeholder=[(name == "since").then_some("24h")]; }
            }
            button { "Show" }
        }
    }
}

fn row(view: &View, entry: &AuditLog) -> Markup {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    html! {
        tr id=(format!("entry-{}-{}", entry.chain, entry.number)) {
            th scope="row" { a href=(view.link(&format!("/audit-logs/{}/{}", entry.chain, entry.number))) { (time(entry.occurred_at)) } }
            td { (text(&entry.user_id)) }
            td { (entry.action) @if entry.is_error { " " span.tag.bad { "error" } } }
            td { (text(&entry.resource)) }
            td { a href=(view.link_to(&["events", &entry.event_id])) { (entry.event_type) } }
            td { (text(&entry.error).chars().take(160).collect::<String>()) }
        }
    }
}

async fn one(view: View) -> Result<Page, Trouble> {
    let place = (view.param("chain").parse().ok()).zip(view.param("number").parse().ok());
    let missing = || Trouble::NotFound("there is no such entry in the audit log; its month may be gone".to_owned());
    let (chain, number) = place.ok_or_else(missing)?;
    let mask = |of: &str, value: Value| view.masked(of, value);
    let AuditView { entry, payload } = see::audit_log(view.site(), chain, number, &mask).await?.ok_or_else(missing)?;
    let title = format!("{} {}", entry.event_type, entry.resource.as_deref().unwrap_or_default());
    let hash = entry.hash.iter().fold(String::new(), |mut hash, byte| {
        // A String takes all that is written to it.
        _ = write!(hash, "{byte:02x}");
        hash
    });
    let plain = [
        ("User", &entry.user_id),
        ("Resource", &entry.resource),
        ("Source", &entry.event_source),
        ("Caused by", &entry.causation_id),
        ("Trace", &entry.trace_id),
        ("In the claim store", &entry.claim),
    ];
    let record = [entry.topic.clone(), entry.partition.to_string(), entry.offset.to_string()];
    let main = html! {
        p.crumbs { a href=(view.link("/audit-logs")) { "Audit log" } }
        h1 { (title) @if entry.is_error { " " span.tag.bad { "error" } } }
        @if let Some(error) = &entry.error { pre #message { (error) } }
        dl.facts {
            dt { "Happened" } dd { (time(entry.occurred_at)) }
            dt { "Action" } dd { (entry.action) }
            @for (name, value) in plain { @if let Some(value) = value { dt { (name) } dd { (value) } } }
            dt { "Event" } dd { a href=(view.link_to(&["events", &entry.event_id])) { (entry.event_id) } }
            @if let Some(request) = &entry.correlation_id {
                dt { "Request" } dd { a href=(view.link_with("/audit-logs", &[("correlation", request)])) { (request) } }
            }
            dt { "Record" } dd { a href=(view.link_to(&["topics", &record[0], &record[1], &record[2]])) { (record.join("/")) } }
            dt { "Recorded" } dd { (time(entry.recorded_at)) }
            dt { "Number" } dd { (entry.number) " of chain " (entry.chain) }
            dt { "Hash" } dd { code { (hash) } }
        }
        @if let Some(payload) = &payload { h2 { "Payload" } pre #payload { (cut(in_lines(payload))) } }
    };
    Ok(Page::new(title, "audit-logs", main))
}

fn cut(text: String) -> String {
    if text.len() <= SHOWN {
        return text;
    }
    let mut shown: String = text.chars().take(SHOWN).collect();
    shown.push_str("\n… `millgate audit search --json` has all of it");
    shown
}

/// All that the filter lets through, read as the reader takes it.
async fn export(view: View) -> Result<Response, Trouble> {
    let choice = AuditChoice { limit: Some(STEP), ..view.query()? };
    // What cannot be had is told before the file begins.
    let first = look(&view, &choice).await?;
    let chunks = stream::unfold((view, choice, Some(first), 0), async move |(view, choice, page, given)| {
        let AuditPage { entries, more_after } = page?;
        let head = if given == 0 { csv::line(&COLUMNS) } else { String::new() };
        let lines: String = entries.iter().map(line).collect();
        let given = given + entries.len();
        let choice = AuditChoice { after: more_after, ..choice };
        let next = match more_after {
            Some(_) if given < MOST => look(&view, &choice).await.ok(),
            _ => None,
        };
        Some((Ok::<_, std::convert::Infallible>(head + &lines), (view, choice, next, given)))
    });
    let head =
        [(CONTENT_TYPE, "text/csv; charset=utf-8"), (CONTENT_DISPOSITION, "attachment; filename=\"audit-log.csv\"")];
    Ok((head, Body::from_stream(chunks)).into_response())
}

async fn look(view: &View, choice: &AuditChoice) -> Result<AuditPage, Trouble> {
    let mask = |of: &str, value: Value| view.masked(of, value);
    Ok(see::audit_logs(view.site(), choice, &mask).await?)
}

const COLUMNS: [&str; 19] = [
    "occurred_at",
    "user_id",
    "action",
    "resource",
    "event_type",
    "event_id",
    "event_source",
    "is_error",
    "error",
    "correlation_id",
    "causation_id",
    "trace_id",
    "topic",
    "partition",
    "offset",
    "recorded_at",
    "chain",
    "number",
    "payload",
];

fn line(AuditView { entry, payload }: &AuditView) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    csv::line(&[
        entry.occurred_at.to_rfc3339(),
        text(&entry.user_id),
        entry.action.clone(),
        text(&entry.resource),
        entry.event_type.clone(),
        entry.event_id.clone(),
        text(&entry.event_source),
        entry.is_error.to_string(),
        text(&entry.error),
        text(&entry.correlation_id),
        text(&entry.causation_id),
        text(&entry.trace_id),
        entry.topic.clone(),
        entry.partition.to_string(),
        entry.offset.to_string(),
        entry.recorded_at.to_rfc3339(),
        entry.chain.to_string(),
        entry.number.to_string(),
        payload.as_ref().map(Value::to_string).unwrap_or_default(),
    ])
}
