//! Topics: all of them, one with its records, a record.

mod record;
mod topic;

use std::{sync::Arc, time::Duration};

use axum::Router;
use maud::{Markup, html};

use super::super::{
    Web,
    address::encoded,
    moment::{number, span},
    page::{Page, page},
    trouble::Trouble,
    view::View,
};
use crate::see::{self, TopicRole, TopicView};

pub(super) fn routes() -> Router<Arc<Web>> {
    Router::new()
        .route("/topics", page(all))
        .route("/topics/{name}", page(topic::one))
        .route("/topics/{name}/{partition}/{offset}", page(record::one))
}

async fn all(view: View) -> Result<Page, Trouble> {
    let found = see::topics(view.site()).await?;
    let of = |role: TopicRole| found.topics.iter().filter(move |topic| topic.role == role).collect::<Vec<_>>();
    let parts = [
        ("own", "The application's events", of(TopicRole::Own)),
        ("dead-letters", "Dead letters", of(TopicRole::DeadLetters)),
        ("others", "Others", of(TopicRole::Other)),
    ];
    let main = html! {
        h1 { "Topics" }
        p { "Groups: " @for reader in view.site().readers.iter() {
            a href=(view.link(&format!("/groups/{}", encoded(reader.name)))) { (reader.name) } " "
        } }
        @if !found.missing.is_empty() {
            ul.wrong { li { "These topics are not there: " (found.missing.join(", ")) ". Create them with " code { "millgate topics apply" } "." } }
        }
        @if found.topics.is_empty() {
            p.empty { "Kafka has no topic under this prefix yet. " code { "millgate topics apply" } " creates those of the application." }
        }
        @for (id, title, topics) in parts.iter().filter(|(_, _, topics)| !topics.is_empty()) {
            h2 { (title) }
            div.scroll tabindex="0" {
                table.rows id=(id) {
                    thead { tr {
                        th scope="col" { "Topic" } th.n scope="col" { "Partitions" } th.n scope="col" { "Records" }
                        th scope="col" { "Kept" } th scope="col" { "Groups" }
                    } }
                    tbody { @for topic in topics { (row(&view, topic)) } }
                }
            }
        }
        @if found.left_out > 0 { p.faint { (found.left_out) " more are not shown; " code { "millgate topics list" } " has all." } }
    };
    Ok(Page::new("Topics", "topics", main))
}

fn row(view: &View, topic: &TopicView) -> Markup {
    let unwell = topic.unwell();
    html! {
        tr id=(format!("topic-{}", topic.name)) {
            th scope="row" {
                a href=(view.link(&format!("/topics/{}", encoded(&topic.name)))) { (topic.name) }
                @if unwell > 0 { " " span.tag.bad { (unwell) " partitions not in sync" } }
            }
            td.n { (topic.partitions.len()) }
            td.n { (number(topic.records)) }
            td { (kept(topic)) }
            td { @for lag in &topic.groups { (behind(view, &lag.group, lag.lag, lag.lag_seconds)) " " } }
        }
    }
}

/// How far a group is behind, with a link to it.
pub(super) fn behind(view: &View, group: &str, lag: u64, seconds: u64) -> Markup {
    html! {
        a href=(view.link(&format!("/groups/{}", encoded(group)))) { (group) }
        @if lag == 0 { " " span.tag.good { "up to date" } }
        @else { " " span.tag.warn { (number(lag)) " behind, for " (span(Duration::from_secs(seconds))) } }
    }
}

/// For how long records are kept, in words.
pub(super) fn kept(topic: &TopicView) -> String {
    let time = match topic.retention_ms {
        None => return String::new(),
        Some(ms) => u64::try_from(ms).map_or_else(|_| "for ever".to_owned(), |ms| span(Duration::from_millis(ms))),
    };
    match topic.cleanup_policy.as_deref() {
        Some("compact") => "the latest of each key".to_owned(),
        Some(policy) if policy.contains("compact") => format!("{time}, and the latest of each key"),
        _ => time,
    }
}
