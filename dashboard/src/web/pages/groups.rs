//! Consumer groups.

use std::time::Duration;

use maud::{Markup, html};
use millgate_events::Membership;

use super::super::{
    address::encoded,
    moment::{number, span},
    page::Page,
    trouble::Trouble,
    view::View,
};
use crate::see::{self, GroupLag, GroupView};

/// All of them.
pub(super) async fn all(view: View) -> Result<Page, Trouble> {
    let groups = see::groups(view.site()).await?;
    let main = html! {
        p.crumbs { a href=(view.link("/topics")) { "Topics" } }
        h1 { "Consumer groups" }
        div.scroll tabindex="0" {
            table.rows {
                thead { tr { th scope="col" { "Group" } th scope="col" { "State" } th.n scope="col" { "Members" } th.n scope="col" { "Behind" } th.n scope="col" { "For" } } }
                tbody { @for group in &groups {
                    tr id=(format!("group-{}", group.name)) {
                        th scope="row" { a href=(view.link(&format!("/groups/{}", encoded(&group.name)))) { (group.name) } " " span.faint { (group.group) } }
                        td { (state(group.membership.as_ref())) }
                        td.n { (group.membership.as_ref().map_or(0, |it| it.members.len())) }
                        td.n { (number(group.lag)) }
                        td.n { @if group.lag > 0 { (span(Duration::from_secs(group.lag_seconds))) } }
                    }
                } }
            }
        }
    };
    Ok(Page::new("Consumer groups", "topics", main))
}

/// One of them.
pub(super) async fn one(view: View) -> Result<Page, Trouble> {
    let group = see::group_named(view.site(), view.param("group")).await?;
    let is_stream = view.site().streams.iter().any(|stream| stream.kafka.consumer_group == group.group);
    let main = html! {
        p.crumbs { a href=(view.link("/topics")) { "Topics" } " › " a href=(view.link("/groups")) { "Groups" } }
        h1 { "Group " (group.name) " " (state(group.membership.as_ref())) }
        dl.figures {
            div { dt { "Consumer group" } dd { (group.group) } }
            div { dt { "Behind" } dd #lag { (number(group.lag)) } }
            div { dt { "For" } dd { (span(Duration::from_secs(group.lag_seconds))) } }
        }
        h2 { "Members" }
        (members(group.membership.as_ref(), if is_stream { "millgate streams run" } else { "millgate bridge" }))
        h2 { "Partitions" }
        (partitions(&view, &group.partitions))
        @if !is_stream {
            h2 { "Watermarks of its queues" }
            (watermarks(&view, &group))
        }
    };
    Ok(Page::new(format!("Group {}", group.name), "topics", main))
}

fn state(membership: Option<&Membership>) -> Markup {
    match membership {
        None => html! { span.tag.warn { "nobody was ever in it" } },
        Some(it) if it.members.is_empty() => html! { span.tag.warn { "nobody is in it" } },
        Some(it) if it.state == "Stable" => html! { span.tag.good { "stable" } },
        Some(it) => html! { span.tag.warn { (it.state) } },
    }
}

fn members(membership: Option<&Membership>, role: &str) -> Markup {
    let members = membership.map(|it| it.members.as_slice()).unwrap_or_default();
    if members.is_empty() {
        return html! { p.empty { "Nobody is in this group. Start " code { (role) } "." } };
    }
    html! {
        div.scroll tabindex="0" {
            table.rows #members {
                thead { tr { th scope="col" { "Member" } th scope="col" { "Client" } th scope="col" { "Host" } th scope="col" { "Partitions" } } }
                tbody { @for member in members {
                    tr id=(format!("member-{}", member.id)) {
                        th scope="row" { (member.id) }
                        td { (member.client_id) }
                        td { (member.host) }
                        td { (assignment(member.assignment.as_deref())) }
                    }
                } }
            }
        }
    }
}

fn assignment(assignment: Option<&[(String, Vec<i32>)]>) -> Markup {
    html! {
        @match assignment {
            None => { "the group's protocol does not say" }
            Some([]) => { "none" }
            Some(topics) => { @for (topic, partitions) in topics {
                (topic) ": " (partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")) br;
            } }
        }
    }
}

fn partitions(view: &View, partitions: &[GroupLag]) -> Markup {
    if partitions.is_empty() {
        return html! { p.empty { "None of its topics is there. Create them with " code { "millgate topics apply" } "." } };
    }
    html! {
        div.scroll tabindex="0" {
            table.rows #partitions {
                thead { tr {
                    th scope="col" { "Partition" } th.n scope="col" { "Committed" } th.n scope="col" { "Next offset" }
                    th.n scope="col" { "Behind" } th.n scope="col" { "For" } th scope="col" { "Member" }
                } }
                tbody { @for lag in partitions {
                    tr id=(format!("lag-{}-{}", lag.topic, lag.partition)) {
                        th scope="row" {
                            @let at = lag.committed.map(|offset| format!("&at={offset}")).filter(|_| lag.lag > 0).unwrap_or_default();
                            a href=(view.link(&format!("/topics/{}?partition={}{at}", encoded(&lag.topic), lag.partition))) { (lag.topic) "/" (lag.partition) }
                        }
                        td.n { (lag.committed.map_or_else(|| "none".to_owned(), |offset| offset.to_string())) }
                        td.n { (lag.end) }
                        td.n { (number(lag.lag)) }
                        td.n { @if lag.lag > 0 { (span(Duration::from_secs(lag.lag_seconds))) } }
                        td { (lag.member.as_deref().unwrap_or("nobody")) }
                    }
                } }
            }
        }
    }
}

fn watermarks(view: &View, group: &GroupView) -> Markup {
    if group.watermarks.is_empty() {
        return html! { p.empty { "No queue has got anything from this group yet." } };
    }
    html! {
        div.scroll tabindex="0" {
            table.rows #watermarks {
                thead { tr { th scope="col" { "Queue" } th scope="col" { "Partition" } th.n scope="col" { "Handed off" } th.n scope="col" { "Noted" } th scope="col" { "Finding" } } }
                tbody { @for mark in &group.watermarks {
                    tr id=(format!("mark-{}-{}-{}", mark.queue, mark.topic, mark.partition)) {
                        th scope="row" { a href=(view.link(&format!("/queues/{}", encoded(&mark.queue)))) { (mark.queue) } }
                        td { (mark.topic) "/" (mark.partition) }
                        td.n { (mark.stored.map_or_else(|| "nothing".to_owned(), |offset| offset.to_string())) }
                        td.n { (mark.expected.map_or_else(|| "nothing".to_owned(), |offset| offset.to_string())) }
                        td { (finding(mark.finding)) }
                    }
                } }
            }
        }
    }
}

/// What `docs/operating.md` says about it, in short.
fn finding(word: &str) -> Markup {
    let (tone, text) = match word {
        "well" => ("good", "well"),
        "behind" => ("warn", "Redis went back; the bridge fills it again by itself"),
        "gone" => ("bad", "Kafka has not kept what is missing: millgate watermarks go-on"),
        "empty" => ("bad", "Redis lost it: millgate watermarks rewind, or go-on"),
        "another" => ("bad", "the topic was made anew: millgate watermarks rewind"),
        other => ("warn", other),
    };
    html! { span.tag.(tone) { (text) } }
}
