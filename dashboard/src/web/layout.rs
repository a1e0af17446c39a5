//! What is around every page.

use axum::response::Html;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{assets, cache::Rendered, form, view::View};
use crate::act;

/// The menu: section, path, name.
const MENU: [(&str, &str, &str); 11] = [
    ("overview", "/", "Overview"),
    ("events", "/events", "Events"),
    ("jobs", "/jobs", "Jobs"),
    ("queues", "/queues", "Queues"),
    ("dead", "/dead", "Dead letters"),
    ("workers", "/workers", "Workers"),
    ("schedules", "/schedules", "Schedules"),
    ("topics", "/topics", "Topics"),
    ("sagas", "/sagas", "Sagas"),
    ("routes", "/routes", "Routes"),
    ("audit", "/audit", "Audit"),
];

/// What a page may be asked with, whatever it is.
#[derive(serde::Deserialize)]
struct After {
    /// The entry of the audit about what was just done.
    done: Option<String>,
}

/// Where there is an audit log.
const AUDIT_LOG: (&str, &str, &str) = ("audit-logs", "/audit-logs", "Audit log");

fn menu(view: &View) -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    MENU.into_iter().chain(view.site().audit_logs.is_some().then_some(AUDIT_LOG))
}

/// The whole document.
pub(super) async fn document(view: &View, page: &Rendered) -> Html<String> {
    let main = page.main.replace(&view.web.csrf_mark, &view.viewer.csrf);
    let body = html! {
        a.skip href="#main" { "Skip to the content" }
        header.top {
            a.brand href=(view.link("/")) { (MARK) span { (view.site().application) } }
            nav aria-label="Pages" {
                @for (section, path, name) in menu(view) {
                    a href=(view.link(path)) aria-current=[(section == page.section).then_some("page")] { (name) }
                }
            }
            form.find action=(view.link("/find")) role="search" {
                input type="search" name="id" placeholder="Event, order, job, trace …" aria-label="Find by any id" accesskey="/";
            }
            span #live title="Updates as it happens" data-state="off" { span.dot {} span.word { "connecting" } }
            button #theme type="button" aria-label="Light or dark" title="Light or dark" { "◐" }
            span.who { (view.viewer.name) }
            @if view.viewer.can_leave { (leave(view)) }
        }
        div #notice role="status" aria-live="polite" { (notice(view).await) }
        main #main tabindex="-1" data-live=(view.here()) { (PreEscaped(main)) }
        footer { span { "millgate " (env!("CARGO_PKG_VERSION")) } span { kbd { "?" } " for keys" } }
        (keys())
    };
    shell(&format!("{} · {}", page.title, view.site().application), &view.web.base, &body)
}

fn leave(view: &View) -> Markup {
    html! {
        form.act method="post" action=(view.link("/logout")) {
            input type="hidden" name="csrf" value=(view.viewer.csrf);
            button { "Log out" }
        }
    }
}

/// A page without anything around it.
pub(super) fn bare(title: &str, main: &Markup) -> Html<String> {
    shell(title, "", &html! { main.bare #main { (main) } })
}

fn shell(title: &str, base: &str, body: &Markup) -> Html<String> {
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                link rel="icon" type="image/svg+xml" href=(assets::link(base, "icon.svg"));
                link rel="stylesheet" href=(assets::link(base, "dashboard.css"));
                script src=(assets::link(base, "dashboard.js")) defer {}
            }
            body data-base=(base) { (body) }
        }
    };
    Html(document.into_string())
}

/// What was just done, and how to undo it.
async fn notice(view: &View) -> Markup {
    let after: Option<After> = view.query().ok();
    let Some(id) = after.and_then(|after| after.done) else { return html! {} };
    let Ok(Some(entry)) = act::entry(view.site(), &id).await else { return html! {} };
    html! {
        div.notice {
            span { (entry.text) @for reason in &entry.refused { "; not done: " (reason) } }
            @if entry.undo.is_some() && entry.undone_by.is_none() {
                (PreEscaped(form::undo(view, &entry.id).into_string().replace(view.csrf(), &view.viewer.csrf)))
            }
        }
    }
}

fn keys() -> Markup {
    html! {
        dialog #keys aria-label="Keys" {
            h2 { "Keys" }
            dl {
                dt { kbd { "/" } } dd { "find by any id" }
                dt { kbd { "j" } " " kbd { "k" } } dd { "next and previous row" }
                dt { kbd { "Enter" } } dd { "open the row" }
                dt { kbd { "x" } } dd { "select the row" }
                dt { kbd { "g" } " then a letter" } dd { "o overview, e events, j jobs, q queues, d dead letters, w workers, s schedules, t topics, g sagas, r routes, a audit" }
                dt { kbd { "." } } dd { "hold updates, or let them go on" }
                dt { kbd { "?" } } dd { "this" }
            }
            form method="dialog" { button { "Close" } }
        }
    }
}

const MARK: PreEscaped<&str> = PreEscaped(
    r#"<svg class="mark" viewBox="0 0 24 24" width="22" height="22" aria-hidden="true"><path d="M3 20V9l9-6 9 6v11" fill="none" stroke="currentColor" stroke-width="2"/><path d="M7 20v-7h10v7M7 16.500h10" fill="none" stroke="currentColor" stroke-width="2"/></svg>"#,
);
