//! A topic, and its records.

use maud::{Markup, html};
use serde_json::Value;

use super::{
    super::super::{
        address::encoded,
        moment::{number, time},
        page::Page,
        trouble::Trouble,
        view::View,
    },
    behind, kept,
};
use crate::see::{self, RecordChoice, RecordPage, RecordView, TopicRole, TopicView, in_line};

pub(super) async fn one(view: View) -> Result<Page, Trouble> {
    let (name, choice) = (view.param("name").to_owned(), view.query::<RecordChoice>()?);
    let mask = |of: &str, value: Value| view.masked(of, value);
    // A topic that is not there has no records: the first to say so is enough.
    let (topic, page) =
        tokio::try_join!(see::topic(view.site(), &name), see::records(view.site(), &name, &choice, &mask))?;
    let is_still = choice.at.is_some() || choice.before.is_some() || choice.since.is_some() || choice.key.is_some();
    let main = html! {
        p.crumbs { a href=(view.link("/topics")) { "Topics" } }
        h1 { (topic.name) " " (role(&topic)) }
        (facts(&view, &topic))
        (partitions(&view, &topic))
        section data-still[is_still] {
            h2 #records { "Records of partition " (page.partition) }
            (filters(&topic, &page, &choice))
            (table(&view, &page))
            (pages(&view, &page, &choice))
        }
    };
    Ok(Page::new(format!("Topic {}", topic.name), "topics", main))
}

fn role(topic: &TopicView) -> Markup {
    match topic.role {
        TopicRole::Own => html! {},
        TopicRole::DeadLetters => html! { span.tag.bad { "dead letters" } },
        TopicRole::Other => html! { span.tag { "not this application's" } },
    }
}

fn facts(view: &View, topic: &TopicView) -> Markup {
    let setting = |name: &str| topic.settings.get(name).cloned();
    html! {
        div.grid {
            div.card { dl.facts {
                dt { "Records" } dd { (number(topic.records)) }
                dt { "Kept" } dd { (kept(topic)) }
                @if let Some(bytes) = setting("retention.bytes").filter(|bytes| bytes != "-1") { dt { "Bytes kept of a partition" } dd { (bytes) } }
                @if let Some(policy) = &topic.cleanup_policy { dt { "Cleanup" } dd { (policy) } }
                @if let Some(count) = topic.min_in_sync { dt { "Replicas in sync, at least" } dd { (count) } }
                @if let Some(bytes) = setting("max.message.bytes") { dt { "Largest batch, in bytes" } dd { (bytes) } }
                dt { "Groups" } dd {
                    @if topic.groups.is_empty() { "none of this application reads it" }
                    @for lag in &topic.groups { (behind(view, &lag.group, lag.lag, lag.lag_seconds)) " " }
                }
            } }
        }
    }
}

fn partitions(view: &View, topic: &TopicView) -> Markup {
    let list = |brokers: &[i32]| brokers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    html! {
        details open[topic.partitions.len() <= 12] #partitions {
            summary { (topic.partitions.len()) " partitions" }
            div.scroll tabindex="0" {
                table.rows {
                    thead { tr {
                        th.n scope="col" { "Partition" } th.n scope="col" { "First offset" } th.n scope="col" { "Next offset" } th.n scope="col" { "Records" }
                        th.n scope="col" { "Leader" } th scope="col" { "Replicas" } th scope="col" { "In sync" }
                    } }
                    tbody { @for it in &topic.partitions {
                        tr id=(format!("partition-{}", it.partition)) {
                            th.n scope="row" { a href=(view.link(&format!("/topics/{}?partition={}", encoded(&topic.name), it.partition))) { (it.partition) } }
                            td.n { (it.begin.map(|offset| offset.to_string()).unwrap_or_default()) }
                            td.n { (it.end.map(|offset| offset.to_string()).unwrap_or_default()) }
                            td.n { (number(it.records())) }
                            td.n { @if it.leader < 0 { span.tag.bad { "none" } } @else { (it.leader) } }
                            td { (list(&it.replicas)) }
                            td { (list(&it.in_sync)) @if it.in_sync.len() < it.replicas.len() { " " span.tag.bad { "not all" } } }
                        }
                    } }
                }
            }
        }
    }
}

fn filters(topic: &TopicView, page: &RecordPage, choice: &RecordChoice) -> Markup {
    html! {
        form.filters method="get" {
            label { "Partition"
                select name="partition" data-go {
                    @for it in &topic.partitions { option value=(it.partition) selected[it.partition == page.partition] { (it.partition) } }
                }
            }
            label { "From offset" input name="at" type="number" min="0" value=[choice.at]; }
            label { "From time" input name="since" placeholder="2h, or 2026-03-01T12:00:00Z"; }
            label { "Key" input name="key" value=[choice.key.as_deref()]; }
            button { "Show" }
        }
    }
}

fn table(view: &View, page: &RecordPage) -> Markup {
    if page.records.is_empty() {
        let text = match (page.begin == page.end, page.from < page.to) {
            (true, _) => "This partition has no records.".to_owned(),
            (_, true) => format!("None in the offsets {} to {}: go on below.", page.from, page.to - 1),
            _ => format!("No record here: the partition holds offsets {} to {}.", page.begin, page.end - 1),
        };
        return html! { p.empty { (text) } };
    }
    html! {
        div.scroll tabindex="0" {
            table.rows {
                thead { tr {
                    th.n scope="col" { "Offset" } th scope="col" { "Time" } th scope="col" { "Key" } th scope="col" { "Event" } th scope="col" { "Value" } th.n scope="col" { "Bytes" }
                } }
                tbody { @for record in page.records.iter().rev() { (row(view, page, record)) } }
            }
        }
    }
}

fn row(view: &View, page: &RecordPage, record: &RecordView) -> Markup {
    let line = |payload: &Option<Value>, most| payload.as_ref().map(|payload| in_line(payload, most));
    let offset = record.place.offset;
    html! {
        tr id=(format!("record-{offset}")) {
            th.n scope="row" { a href=(view.link(&format!("/topics/{}/{}/{offset}", encoded(&page.topic), page.partition))) { (offset) } }
            td { @if let Some(at) = record.timestamp { (time(at)) } }
            td { (line(&record.key, 80).unwrap_or_default()) }
            td { (event(view, record)) }
            td.long.mono { (value(record, line(&record.payload, 200))) }
            td.n { (number(record.bytes as u64)) }
        }
    }
}

/// Its event with a link to that, or why it is none.
pub(super) fn event(view: &View, record: &RecordView) -> Markup {
    html! {
        @if let (Some(id), Some(event_type)) = (&record.event_id, &record.event_type) {
            a href=(view.link(&format!("/events/{}", encoded(id)))) { (event_type) }
        } @else if let Some(problem) = &record.problem {
            span.tag.warn title=(problem) { "no event" }
        }
    }
}

/// Its value, or why it has none.
pub(super) fn value(record: &RecordView, text: Option<String>) -> Markup {
    html! {
        @match (&record.claim, text) {
            (Some(claim), _) => { span.tag { "in the claim store" } " " (claim) }
            (None, Some(text)) => { (text) }
            (None, None) => { span.tag { "tombstone" } }
        }
    }
}

fn pages(view: &View, page: &RecordPage, choice: &RecordChoice) -> Markup {
    let key = choice.key.as_ref().map(|key| format!("&key={}", encoded(key))).unwrap_or_default();
    let link = |what: &str| {
        let (name, partition) = (encoded(&page.topic), page.partition);
        view.link(&format!("/topics/{name}?partition={partition}{what}{key}#records"))
    };
    html! {
        p {
            @if page.from > page.begin { a.button #older href=(link(&format!("&before={}", page.from))) { "Older" } " " }
            @if page.to < page.end { a.button #newer href=(link(&format!("&at={}", page.to))) { "Newer" } " " }
            a.button #newest href=(link("")) { "Newest" } " "
            a.button #oldest href=(link(&format!("&at={}", page.begin))) { "Oldest" }
        }
    }
}
