//! Routes: what events come to, and a dry run.

use std::sync::Arc;

use axum::{
    Form, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::post,
};
use maud::{Markup, html};
use millgate_bridge::{Action, Outline};
use serde_json::Value;

use super::super::{
    Web,
    address::encoded,
    cache::Rendered,
    graph::{Graph, Node},
    layout,
    page::{Page, page},
    trouble::Trouble,
    view::View,
};
use crate::see::{self, EventRoutes, Tried};

const EXAMPLE: &str = r#"{"type": "order.created", "data": {"order_id": "o1"}}"#;

pub(super) fn routes() -> Router<Arc<Web>> {
    Router::new().route("/routes", page(all)).route("/routes/try", page(try_form).merge(post(try_out)))
}

async fn all(view: View) -> Result<Page, Trouble> {
    let found = see::routes(view.site().tables());
    let routed = found.iter().any(|event| !event.routes.is_empty());
    let main = html! {
        h1 { "Routes" }
        p { a.button href=(view.link("/routes/try")) { "Try out an event" } }
        @if routed { (graph(&view, &found).draw("Event types, the routes they take, and the queues these lead to; the table below says the same")) }
        @else { p.empty { "This application has no routes: events come to nothing. Add one with " code { "App::route" } ", or in the configuration file." } }
        div.scroll tabindex="0" {
            table.rows #table {
                thead { tr {
                    th scope="col" { "Event" } th scope="col" { "Group" } th scope="col" { "Does" } th scope="col" { "Queue" }
                    th scope="col" { "Declared" } th scope="col" { "When" } th scope="col" { "Options" }
                } }
                tbody { @for event in &found { (rows(&view, event)) } }
            }
        }
    };
    Ok(Page::new("Routes", "routes", main))
}

fn graph(view: &View, found: &[EventRoutes]) -> Graph {
    let mut graph = Graph::new(&["Event", "Declared", "Does", "Queue"]);
    for EventRoutes { group, event, routes } in found {
        for outline in routes {
            let (tone, does) = deed(outline);
            let place = outline.place.as_deref().unwrap_or("code");
            graph.path([
                Node { label: event.clone(), link: None, tone: "plain" },
                Node { label: format!("{group}: {place}"), link: None, tone: "third" },
                Node { label: does, link: None, tone },
                Node { label: outline.queue.clone(), link: Some(queue(view, &outline.queue)), tone: "waiting" },
            ]);
        }
    }
    graph
}

fn deed(outline: &Outline) -> (&'static str, String) {
    match (outline.action, &outline.publishes) {
        (Action::Cancel, _) => ("failed", format!("cancel {}", outline.kind)),
        (Action::Publish, Some(event)) => ("third", format!("publish {event}")),
        _ => ("done", outline.kind.clone()),
    }
}

fn queue(view: &View, name: &str) -> String {
    view.link(&format!("/queues/{}", encoded(name)))
}

fn rows(view: &View, event: &EventRoutes) -> Markup {
    html! {
        @if event.routes.is_empty() {
            tr { th scope="row" { (event.event) } td { (event.group) } td.faint colspan="5" { "comes to nothing" } }
        }
        @for outline in &event.routes {
            tr {
                th scope="row" { (event.event) @if let Some(version) = outline.version { " " span.tag { "version " (version) } } }
                td { (event.group) }
                td { (deed(outline).1) }
                td { a href=(queue(view, &outline.queue)) { (outline.queue) } }
                td { (outline.place.as_deref().unwrap_or("in the code")) }
                td { @for condition in &outline.conditions { code { (condition) } " " } }
                td { (outline.options.join(", ")) }
            }
        }
    }
}

async fn try_form(view: View) -> Result<Page, Trouble> {
    Ok(Page::new("Try out an event", "routes", try_page(&view, "", None)))
}

#[derive(serde::Deserialize)]
struct Pasted {
    event: String,
}

async fn try_out(State(web): State<Arc<Web>>, view: View, Form(Pasted { event }): Form<Pasted>) -> Response {
    let found = tried_out(&web, &event);
    let page = Rendered {
        title: "Try out an event".into(),
        section: "routes",
        main: try_page(&view, &event, Some(found.as_deref())).into_string(),
    };
    layout::document(&view, &page).await.into_response()
}

/// What is pasted comes to, or why it cannot be meant.
pub(in crate::web) fn tried_out(web: &Web, text: &str) -> Result<Vec<Tried>, String> {
    let site = &web.site;
    let prefix = site.kafka().topic_prefix;
    let found = see::try_routes(text, site.application, &prefix, &site.events, &site.tables());
    match found {
        Err(error) => Err(format!("{error:#}")),
        Ok(found) if found.is_empty() => Err(format!("there is no event in it; one looks like {EXAMPLE}")),
        Ok(found) => Ok(found),
    }
}

fn try_page(view: &View, event: &str, found: Option<Result<&[Tried], &String>>) -> Markup {
    html! {
        p.crumbs { a href=(view.link("/routes")) { "Routes" } }
        h1 { "Try out an event" }
        p.faint data-still { "Nothing is published and no job is made: this only says what the routes would do." }
        form method="post" action=(view.link("/routes/try")) {
            input type="hidden" name="csrf" value=(view.csrf());
            label.field for="event" { "Events as " code { "millgate publish" } " takes them, or records with topic, headers and value" }
            textarea #event name="event" rows="10" required placeholder=(EXAMPLE) { (event) }
            p { button.main { "Try it out" } }
        }
        @match found {
            None => {}
            Some(Err(error)) => { ul.wrong #outcome { li { (error) } } }
            Some(Ok(found)) => { div #outcome { (tried(view, found)) } }
        }
    }
}

/// What something would come to, group by group.
pub(super) fn tried(view: &View, found: &[Tried]) -> Markup {
    html! {
        @for Tried { line, topic, group, outcome, summary, is_well } in found {
            div.card {
                p { strong { (group) } ", topic " (topic) @if *line > 1 { ", line " (line) } ": " span.tag.(if *is_well { "good" } else { "bad" }) { (summary) } }
                @for job in list(outcome, "jobs") { (made(view, job, "")) }
                @for cancel in list(outcome, "cancels") { (made(view, cancel, "cancels ")) }
            }
        }
    }
}

fn list<'a>(outcome: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    outcome.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn made(view: &View, of: &Value, verb: &str) -> Markup {
    let text = |name: &str| of.get(name).and_then(Value::as_str).unwrap_or_default();
    let options: Vec<String> = of
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| !matches!(name.as_str(), "kind" | "queue" | "fields" | "id"))
        .map(|(name, value)| format!("{name} {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        .collect();
    html! {
        p { (verb) strong { (text("kind")) } " in " a href=(queue(view, text("queue"))) { (text("queue")) } " " span.faint { (options.join(", ")) } }
        @if let Some(fields) = of.get("fields") { pre { (format!("{fields:#}")) } }
    }
}
