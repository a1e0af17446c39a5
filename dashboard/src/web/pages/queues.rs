//! Queues.

use std::time::Duration;

use maud::{Markup, html};
use millgate_jobs::{Distribution, History};

use super::super::{
    chart, charts, form,
    moment::{number, span, time},
    page::Page,
    spans,
    trouble::Trouble,
    view::View,
};
use crate::{
    act::Action,
    see::{self, ProcessView, QueueDetail, QueueView},
};

/// All queues.
pub(super) async fn all(view: View) -> Result<Page, Trouble> {
    let queues = see::queues(view.site()).await?;
    let hours = see::hours(view.site(), &queues).await?;
    let main = html! {
        h1 { "Queues" }
        @if queues.is_empty() {
            p.empty { "This application has no queue: no handler works on one, and no route fills one." }
        } @else {
            div.scroll tabindex="0" role="region" aria-label="Queues" {
                table.rows #queues {
                    thead { tr {
                        th scope="col" { "Queue" } th.n scope="col" { "Waiting" } th.n scope="col" { "Oldest" } th.n scope="col" { "Delayed" }
                        th.n scope="col" { "Held" } th.n scope="col" { "Active" } th.n scope="col" { "Dead" } th.n scope="col" { "Done/s" }
                        th scope="col" { "Last hour" } th scope="col" { span.faint { "Do" } }
                    } }
                    tbody { @for (queue, hour) in queues.iter().zip(&hours) { (row(&view, queue, hour)) } }
                }
            }
        }
    };
    Ok(Page::new("Queues", "queues", main))
}

fn row(view: &View, queue: &QueueView, hour: &History) -> Markup {
    let stats = &queue.stats;
    html! {
        tr id=(format!("queue-{}", queue.name)) {
            th scope="row" { a href=(view.link_to(&["queues", &queue.name])) { (queue.name) } (tags(queue)) }
            td.n { (number(stats.waiting)) }
            td.n { @if let Some(age) = queue.oldest_age() { (span(age)) } }
            td.n { (number(stats.delayed)) }
            td.n { (number(stats.held)) }
            td.n { (number(stats.active)) }
            td.n { (number(stats.unburied)) }
            td.n { (chart::figure(hour.rate_now(|point| point.done))) }
            td { (charts::done(hour)) }
            td.acts { (acts(view, queue)) }
        }
    }
}

fn tags(queue: &QueueView) -> Markup {
    html! {
        @if queue.stats.paused { " " span.tag.warn { "paused" } }
        @if queue.stats.draining { " " span.tag.warn { "draining" } }
    }
}

fn acts(view: &View, queue: &QueueView) -> Markup {
    let name = || queue.name.clone();
    html! {
        @if queue.stats.paused || queue.stats.draining {
            (form::button(view, &Action::ResumeQueue { queue: name() }, "Resume"))
        } @else {
            (form::button(view, &Action::PauseQueue { queue: name() }, "Pause"))
            (form::button(view, &Action::DrainQueue { queue: name() }, "Drain"))
        }
    }
}

/// One queue.
pub(super) async fn one(view: View) -> Result<Page, Trouble> {
    let (name, span) = (view.param("name"), spans::asked(&view)?);
    let Some(detail) = see::queue(view.site(), name, span).await? else {
        return Err(Trouble::NotFound(view.site().no_queue(name)));
    };
    let queue = &detail.view;
    let main = html! {
        p.crumbs { a href=(view.link("/queues")) { "Queues" } }
        h1 { (queue.name) (tags(queue)) }
        (words(&view, &detail))
        (figures(&view, queue))
        div.acts { (acts(&view, queue)) }
        (spans::choice(&view, span))
        div.grid { (history(&detail)) }
        section.card { h2 { "How long it takes" } (percentiles(&detail)) }
        section.card { h2 { "Workers" } (workers(&view, &detail)) }
        section.card { h2 { "Kinds" } (kinds(&view, &detail)) }
        section.card { h2 { "Limits" } (limits(&view, queue)) }
    };
    Ok(Page::new(&*queue.name, "queues", main))
}

/// What is not as it should be, and what to do about it. A queue that stands still must not look as if it had nothing to do.
fn words(view: &View, detail: &QueueDetail) -> Markup {
    let stats = &detail.view.stats;
    let is_unserved = stats.waiting > 0 && detail.workers.iter().all(|worker| worker.process.quiet);
    html! {
        ul.wrong #wrong {
            @if stats.paused { li { "It is paused: no worker takes jobs from it, and " (number(stats.waiting)) " wait." } }
            @if stats.draining { li { "It is draining: it takes no more jobs." } }
            @if is_unserved && !stats.paused {
                li {
                    @if detail.workers.is_empty() { "No worker serves it, and " (number(stats.waiting)) " jobs wait: start one with " code { "millgate worker" } "." }
                    @else { "Every worker that serves it is " a href=(view.link("/workers")) { "quiet" } ", and " (number(stats.waiting)) " jobs wait." }
                }
            }
            @if !detail.unknown_kinds.is_empty() {
                li { "No worker that serves it knows " (detail.unknown_kinds.join(", ")) ": such jobs wait until one does. Was a deploy left half done?" }
            }
        }
    }
}

fn history(detail: &QueueDetail) -> Markup {
    let history = &detail.history;
    html! {
        section.card { h2 { "Done and failed" } (charts::throughput(history)) }
        section.card { h2 { "Waiting" } (charts::waiting(history)) }
        section.card { h2 { "Wait and run, p95" } (charts::latency(history)) }
        section.card { h2 { "The oldest that waited" } (charts::oldest(history)) }
    }
}

fn percentiles(detail: &QueueDetail) -> Markup {
    let total = detail.history.total();
    let row = |name: &str, of: &Distribution| {
        let time = |time: Option<Duration>| time.map_or("–".to_owned(), span);
        html! { tr { th scope="row" { (name) } td.n { (time(of.p50())) } td.n { (time(of.p95())) } td.n { (time(of.p99())) } td.n { (number(of.count())) } } }
    };
    html! {
        table.rows #percentiles {
            thead { tr { th scope="col" { "In this time" } th.n scope="col" { "p50" } th.n scope="col" { "p95" } th.n scope="col" { "p99" } th.n scope="col" { "of" } } }
            tbody { (row("Wait for the first run", &total.waits)) (row("Run", &total.runs)) }
        }
    }
}

fn workers(view: &View, detail: &QueueDetail) -> Markup {
    if detail.workers.is_empty() {
        return html! { p { "None: no process that runs takes jobs from it." } };
    }
    let of = |worker: &ProcessView| worker.process.queues.iter().find(|queue| queue.name == detail.view.name).cloned();
    html! {
        div.scroll tabindex="0" role="region" aria-label="Workers" {
            table.rows #workers {
                thead { tr { th scope="col" { "Process" } th scope="col" { "In hand" } th scope="col" { "Busy" } th scope="col" { "Asked for jobs" } } }
                tbody { @for worker in &detail.workers { @if let Some(queue) = of(worker) {
                    tr id=(format!("worker-{}", worker.process.id)) {
                        th scope="row" {
                            a href=(view.link_to(&["workers", &worker.process.id])) { (worker.place()) }
                            @if worker.process.quiet { " " span.tag.warn { "quiet" } }
                        }
                        td { (chart::share(queue.in_hand, queue.concurrency as u64)) }
                        td { (chart::bar(&format!("{:.0} %", queue.utilisation * 100.0), queue.utilisation)) }
                        td { @match queue.last_fetch { Some(at) => (time(at)), None => "not yet" } }
                    }
                } } }
            }
        }
    }
}

fn figures(view: &View, queue: &QueueView) -> Markup {
    let stats = &queue.stats;
    let states = [
        ("waiting", stats.waiting),
        ("delayed", stats.delayed),
        ("held", stats.held),
        ("active", stats.active),
        ("dead", stats.unburied),
        ("done", stats.kept),
    ];
    html! {
        dl.figures #figures {
            @for (state, count) in states {
                div { dt { (state) } dd { a href=(view.link_with("/jobs", &[("queue", &queue.name), ("state", state)])) { (number(count)) } } }
            }
            div { dt { "oldest waits" } dd #oldest { @match queue.oldest_age() { Some(age) => (span(age)), None => "–" } } }
        }
    }
}

/// All limits as a form. What is empty does not hold.
fn limits(view: &View, queue: &QueueView) -> Markup {
    let limits = queue.stats.limits;
    let number = |value: Option<u64>| value.map(|value| value.to_string()).unwrap_or_default();
    let time =
        |value: Option<Duration>| value.map(|value| humantime::format_duration(value).to_string()).unwrap_or_default();
    let rate = limits.rate.map(|rate| rate.to_string()).unwrap_or_default();
    let settings = [
        ("concurrency", "At most so many run at a time", "7", number(limits.concurrency)),
        ("rate", "At most so many start in a time", "10/1s", rate),
        ("max_jobs", "Takes no more while it holds so many", "100000", number(limits.max_jobs)),
        ("ageing", "A step of priority is worth", "1m", time(limits.ageing)),
        ("keep_done", "Done jobs that are kept", "1000", number(limits.keep_done)),
        ("keep_done_for", "And for how long", "1h", time(limits.keep_done_for)),
        ("dead_keep", "Dead jobs that are kept, without a dead-letter topic", "1000", number(limits.dead_keep)),
        ("dead_keep_for", "And for how long", "7d", time(limits.dead_keep_for)),
    ];
    let action = Action::LimitQueue { queue: queue.name.clone(), limits };
    if !view.may_act(&action) {
        return html! {
            dl.facts { @for (_, label, _, value) in &settings { @if !value.is_empty() { dt { (label) } dd { (value) } } } }
            @if settings.iter().all(|(.., value)| value.is_empty()) { p { "None." } }
        };
    }
    let fields = html! {
        @for (name, label, example, value) in &settings {
            label.field { (label) input name=(format!("/limits/{name}")) value=(value) placeholder=(format!("none, or {example}")); }
        }
    };
    html! {
        p.faint { "For all workers together, from the next job that one takes. What is empty does not hold." }
        div.limits #limits { (form::form(view, &action, &fields, "Set these limits")) }
    }
}

fn kinds(view: &View, detail: &QueueDetail) -> Markup {
    let queue = &detail.view;
    if queue.stats.kinds.is_empty() {
        return html! { p { "No job has ever come." } };
    }
    html! {
        div.scroll tabindex="0" role="region" aria-label="Kinds of jobs" {
            table.rows #kinds {
                thead { tr {
                    th scope="col" { "Kind" } th.n scope="col" { "Came" } th.n scope="col" { "Done" } th.n scope="col" { "Retried" }
                    th.n scope="col" { "Cancelled" } th.n scope="col" { "Dead" } th.n scope="col" { "Redriven" } th.n scope="col" { "Duplicates" }
                } }
                tbody { @for (kind, counts) in &queue.stats.kinds {
                    tr id=(format!("kind-{kind}")) {
                        th scope="row" { a href=(view.link_with("/jobs", &[("queue", &queue.name), ("kind", kind)])) { (kind) }
                            @if detail.unknown_kinds.contains(kind) { " " span.tag.bad { "no worker knows it" } }
                        }
                        td.n { (number(counts.enqueued)) } td.n { (number(counts.done)) } td.n { (number(counts.retried)) }
                        td.n { (number(counts.cancelled)) } td.n { (number(counts.dead)) } td.n { (number(counts.redriven)) }
                        td.n { (number(counts.duplicate + counts.held)) }
                    }
                } }
            }
        }
    }
}
