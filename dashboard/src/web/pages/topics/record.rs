//! A record, and what it comes to.

use maud::{Markup, html};
use serde_json::Value;

use super::{
    super::{
        super::{
            address::encoded,
            moment::{number, time},
            page::Page,
            trouble::Trouble,
            view::View,
        },
        routes::tried,
    },
    topic::{event, value},
};
use crate::see::{self, RecordPlans, RecordView, in_lines};

pub(super) async fn one(view: View) -> Result<Page, Trouble> {
    let (name, partition, offset) = (view.param("name"), view.param("partition"), view.param("offset"));
    let wrong =
        |_| Trouble::NotFound(format!("{name}/{partition}/{offset} is no record: partition and offset are numbers"));
    let (partition, offset) = (partition.parse::<i32>().map_err(wrong)?, offset.parse::<i64>().map_err(wrong)?);
    let mask = |of: &str, value: Value| view.masked(of, value);
    let RecordPlans { record, plans } = see::record(view.site(), name, partition, offset, &mask).await?;
    let near = |offset: i64| view.link(&format!("/topics/{}/{partition}/{offset}", encoded(name)));
    let main = html! {
        p.crumbs {
            a href=(view.link("/topics")) { "Topics" } " › "
            a href=(view.link(&format!("/topics/{}?partition={partition}&at={offset}", encoded(name)))) { (name) }
        }
        h1 { (name) "/" (partition) "/" (offset) }
        p data-still {
            @if offset > 0 { a.button #previous href=(near(offset - 1)) { "Previous" } " " }
            a.button #next href=(near(offset + 1)) { "Next" }
        }
        (facts(&view, &record))
        h2 { "Routed to" }
        @if record.claim.is_some() {
            p.faint { "Its value lies in the claim store, and cannot be had: what it comes to is known with the value only." }
        } @else { (tried(&view, &plans)) }
        @if let Some(key) = &record.key { h2 { "Key" } pre #key { (in_lines(key)) } }
        h2 { "Value" }
        pre #value { (value(&record, record.payload.as_ref().map(in_lines))) }
        h2 { "Headers" }
        (headers(&record))
    };
    Ok(Page::new(format!("Record {name}/{partition}/{offset}"), "topics", main))
}

fn facts(view: &View, record: &RecordView) -> Markup {
    html! {
        div.card { dl.facts {
            dt { "Time" } dd { @if let Some(at) = record.timestamp { (time(at)) } @else { "none" } }
            dt { "Event" } dd { (event(view, record)) @if let Some(problem) = &record.problem { " " (problem) } }
            @if let Some(id) = &record.event_id { dt { "Event id" } dd { a href=(view.link(&format!("/events/{}", encoded(id)))) { (id) } } }
            @if record.was_claimed { dt { "Its value" } dd { "lies in the claim store" } }
            dt { "Bytes" } dd { (number(record.bytes as u64)) }
        } }
    }
}

fn headers(record: &RecordView) -> Markup {
    if record.headers.is_empty() {
        return html! { p.faint { "It has none." } };
    }
    html! {
        div.scroll tabindex="0" {
            table.rows #headers {
                thead { tr { th scope="col" { "Name" } th scope="col" { "Value" } } }
                tbody { @for (name, value) in &record.headers {
                    tr { th scope="row" { (name) } td { (value.as_str().map_or_else(|| value.to_string(), str::to_owned)) } }
                } }
            }
        }
    }
}
