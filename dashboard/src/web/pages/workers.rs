//! Processes, of all roles.

use maud::{Markup, html};
use millgate_jobs::{BridgedGroup, Order};

use super::super::{
    chart, form,
    moment::{number, time},
    page::Page,
    trouble::Trouble,
    view::View,
};
use crate::{
    act::Action,
    see::{self, ProcessView},
};

/// All of them.
pub(super) async fn all(view: View) -> Result<Page, Trouble> {
    let processes = see::processes(view.site()).await?;
    let is_working = processes.iter().any(|process| !process.process.queues.is_empty());
    let main = html! {
        h1 { "Workers" }
        @if !is_working {
            p.empty #no-worker {
                "No worker is running: jobs wait. Start one with " code { "millgate worker" } "; it stands here a moment later."
            }
        }
        @if !processes.is_empty() {
            div.scroll tabindex="0" role="region" aria-label="Processes" {
                table.rows #processes {
                    thead { tr {
                        th scope="col" { "Process" } th scope="col" { "Roles" } th scope="col" { "Since" } th scope="col" { "In hand" }
                        th scope="col" { "Busy" } th scope="col" { "Asked for jobs" } th.n scope="col" { "Partitions" } th scope="col" { span.faint { "Do" } }
                    } }
                    tbody { @for process in &processes { (row(&view, process)) } }
                }
            }
        }
    };
    Ok(Page::new("Workers", "workers", main))
}

fn row(view: &View, seen: &ProcessView) -> Markup {
    let process = &seen.process;
    html! {
        tr id=(format!("process-{}", process.id)) {
            th scope="row" { a href=(view.link_to(&["workers", &process.id])) { (seen.place()) } (tags(seen)) }
            td { (process.roles.join(", ")) " " span.faint { (process.version) } }
            td { (time(process.started_at)) }
            td { @if seen.concurrency > 0 { (chart::share(seen.in_hand, seen.concurrency)) } }
            td { @if let Some(part) = seen.utilisation { (chart::bar(&format!("{:.0} %", part * 100.0), part)) } }
            td { @if let Some(at) = seen.last_fetch { (time(at)) } }
            td.n { @if !process.groups.is_empty() { (seen.partitions) } }
            td.acts { (acts(view, seen)) }
        }
    }
}

fn tags(seen: &ProcessView) -> Markup {
    let process = &seen.process;
    let troubles = process.troubles.len() + process.more_troubles;
    html! {
        @match process.order {
            Some(Order::Stop) => { " " span.tag.warn { "stopping" } }
            Some(Order::Quiet) if !process.quiet => { " " span.tag.warn { "told to be quiet" } }
            _ => @if process.quiet { " " span.tag.warn { "quiet" } }
        }
        @if troubles > 0 { " " span.tag.bad { (troubles) " wrong" } }
    }
}

fn acts(view: &View, seen: &ProcessView) -> Markup {
    let (process, id) = (&seen.process, || seen.process.id.clone());
    html! {
        @if !process.queues.is_empty() {
            @if process.quiet || process.order == Some(Order::Quiet) {
                (form::button(view, &Action::ResumeProcess { process: id() }, "Resume"))
            } @else {
                (form::button(view, &Action::QuietProcess { process: id() }, "Quiet"))
            }
        }
        (form::button(view, &Action::StopProcess { process: id() }, "Stop"))
    }
}

/// One of them.
pub(super) async fn one(view: View) -> Result<Page, Trouble> {
    let id = view.param("id");
    let found = see::process(view.site(), id).await?;
    let seen = found.ok_or_else(|| Trouble::no_process(id))?;
    let process = &seen.process;
    let main = html! {
        p.crumbs { a href=(view.link("/workers")) { "Workers" } }
        h1 { (seen.place()) (tags(&seen)) }
        (wrong(&seen))
        div.acts { (acts(&view, &seen)) }
        div.grid {
            section.card {
                h2 { "What it is" }
                dl.facts {
                    dt { "Roles" } dd { (process.roles.join(", ")) }
                    dt { "Application" } dd { (process.application) }
                    dt { "Machine" } dd { (process.host) ", process " (process.pid) }
                    dt { "Version" } dd { (process.version) }
                    dt { "Since" } dd { (time(process.started_at)) }
                    dt { "Last heard of" } dd { (time(process.reported_at)) }
                    dt { "Id" } dd { code { (process.id) } }
                }
            }
            @if !process.kinds.is_empty() {
                section.card {
                    h2 { "Kinds that it knows" }
                    ul { @for (kind, version) in &process.kinds { li { (kind) @if *version > 1 { " " span.faint { "up to version " (version) } } } } }
                }
            }
        }
        @if !process.queues.is_empty() { section.card { h2 { "Queues" } (queues(&view, &seen)) } }
        @if !process.groups.is_empty() { section.card { h2 { "Partitions" } (groups(&seen)) } }
    };
    Ok(Page::new(seen.place(), "workers", main))
}

fn wrong(seen: &ProcessView) -> Markup {
    let process = &seen.process;
    html! {
        ul.wrong #wrong {
            @for trouble in &process.troubles { li {
                @if let Some(topic) = &trouble.topic { (topic) @if let Some(partition) = trouble.partition { "/" (partition) } ": " }
                (trouble.text) " (since " (time(trouble.since)) ")"
            } }
            @if process.more_troubles > 0 { li { "And " (process.more_troubles) " more things are wrong; its log has them." } }
        }
    }
}

fn queues(view: &View, seen: &ProcessView) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Queues that it works on" {
            table.rows #queues {
                thead { tr { th scope="col" { "Queue" } th scope="col" { "In hand" } th scope="col" { "Busy" } th scope="col" { "Asked for jobs" } } }
                tbody { @for queue in &seen.process.queues {
                    tr id=(format!("queue-{}", queue.name)) {
                        th scope="row" { a href=(view.link_to(&["queues", &queue.name])) { (queue.name) } }
                        td { (chart::share(queue.in_hand, queue.concurrency as u64)) }
                        td { (chart::bar(&format!("{:.0} %", queue.utilisation * 100.0), queue.utilisation)) }
                        td { @match queue.last_fetch { Some(at) => (time(at)), None => "not yet" } }
                    }
                } }
            }
        }
    }
}

fn group_name(group: &BridgedGroup) -> Markup {
    html! { (group.group) @if let Some(stream) = &group.stream { " " span.faint { "stream " (stream) } } }
}

fn groups(seen: &ProcessView) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Partitions that are its own" {
            table.rows #groups {
                thead { tr { th scope="col" { "Group" } th scope="col" { "Topic" } th scope="col" { "Partitions" } th.n scope="col" { "Handed off, or in their tables" } } }
                tbody {
                    @for group in &seen.process.groups {
                        @if group.partitions.is_empty() {
                            tr { th scope="row" { (group_name(group)) } td { "none yet" } td { "others of the group may have them all" } td.n { (number(group.handed_off)) } }
                        }
                        @for (topic, partitions) in &group.partitions {
                            tr {
                                th scope="row" { (group_name(group)) } td { (topic) }
                                td { (partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")) }
                                td.n { (number(group.handed_off)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
