//! Jobs: found by a filter that stands in the address, and acted on.

use std::time::Duration;

use maud::{Markup, html};
use millgate_jobs::JobState;
use serde::{Deserialize, Serialize};

use super::super::{
    address::{encoded, query},
    form,
    moment::{number, span, time},
    page::Page,
    trouble::Trouble,
    view::View,
};
use crate::{
    access::Role,
    act::{Action, JobChoice},
    see::{self, Bound, JobFilter, JobList, JobQuery, SeenJob, Term},
};

/// Jobs on a page.
const MOST: usize = 50;
/// Of the arguments so many characters are shown.
const ARGUMENTS: usize = 120;

/// What stands in the address.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Asked {
    queue: String,
    state: String,
    kind: String,
    #[serde(rename = "where")]
    term: String,
    since: String,
    until: String,
    /// Where to go on.
    from: Option<String>,
}

impl Asked {
    fn filter(&self) -> JobQuery {
        let Self { queue, state, kind, term, since, until, .. } = self.clone();
        JobQuery { queue, state, kind, term, since, until }
    }
}

/// Jobs that a filter lets through.
pub(super) async fn list(view: View) -> Result<Page, Trouble> {
    let asked: Asked = view.query()?;
    let typed = asked.filter();
    let filter = typed.read_masked(see::now(view.site()).await?, &view.site().mask);
    let filter = match filter {
        Ok(filter) => filter,
        // The form stays, so that it can be mended.
        Err(message) => {
            let main = html! { h1 { "Jobs" } (filters(&view, &typed)) ul.wrong { li { (message) } } };
            return Ok(Page::new("Jobs", "jobs", main));
        }
    };
    let list =
        see::jobs(view.site(), &filter, asked.from.as_deref(), Bound::page(MOST), Some(&view.site().mask)).await?;
    let list = list.map_err(Trouble::Misunderstood)?;
    // Where every job is looked at, once is enough.
    let is_still = asked.from.is_some() || matches!(filter.term, Some(Term::Payload { .. })) || filter.since.is_some();
    let address = address(&typed);
    let main = html! {
        h1 { "Jobs" }
        (filters(&view, &typed))
        div data-still[is_still] {
            p.faint #found { (how_many(&filter, &list)) " " (exports(&view, &address)) }
            @if list.jobs.is_empty() { (nothing(&view, &filter, &list)) } @else {
                @if let Some(queue) = &filter.queue { (bulk(&view, queue, &filter, &list)) }
                @else if view.may(Role::Operator, None) { p.faint { "Choose a queue to act on several jobs at once." } }
                (table(&view, &list, filter.queue.is_some()))
            }
            @if let Some(next) = &list.next {
                p {
                    a.button #next href=(view.link(&format!("/jobs?{address}&from={}", encoded(next)))) {
                        @if list.jobs.len() < MOST { "Go on looking" } @else { "Next page" }
                    }
                }
            }
        }
    };
    Ok(Page::new("Jobs", "jobs", main))
}

/// What a filter is in an address, without where to go on.
fn address(typed: &JobQuery) -> String {
    let JobQuery { queue, state, kind, term, since, until } = typed;
    query(&[("queue", queue), ("state", state), ("kind", kind), ("where", term), ("since", since), ("until", until)])
}

fn filters(view: &View, typed: &JobQuery) -> Markup {
    let site = view.site();
    html! {
        form.filters #filters action=(view.link("/jobs")) {
            label { "Queue"
                select name="queue" data-go {
                    option value="" { "all" }
                    @for name in &site.queue_names { option value=(name) selected[*name == typed.queue] { (name) } }
                    @if !typed.queue.is_empty() && !site.queue_names.contains(&typed.queue) {
                        option value=(typed.queue) selected { (typed.queue) }
                    }
                }
            }
            label { "State"
                select name="state" data-go {
                    option value="" { "any" }
                    @for state in JobState::ALL { option value=(state) selected[state.as_str() == typed.state] { (state) } }
                }
            }
            label { "Kind"
                input name="kind" value=(typed.kind) list="kinds" size="18" placeholder="any";
                datalist #kinds { @for kind in site.kinds.keys() { option value=(kind) {} } }
            }
            label { "Field = value"
                input name="where" value=(typed.term) size="30" placeholder="order_id=17, payload.to=ann@…";
            }
            label { "Since (time, 2h, +2h)" input name="since" value=(typed.since) size="12" placeholder="2h"; }
            label { "Until" input name="until" value=(typed.until) size="12"; }
            button.main { "Find" }
            @if *typed != JobQuery::default() { a.button href=(view.link("/jobs")) { "Clear" } }
        }
    }
}

fn how_many(filter: &JobFilter, list: &JobList) -> Markup {
    html! {
        @if list.is_exact { strong #total { (number(list.total)) } " match" }
        @else { "at least " strong #total { (number(list.total)) } " match" }
        // Jobs of other kinds are passed over by the block, and not counted.
        @if !list.is_exact && filter.kind.is_none() { "; looked at " (number(list.looked)) " of " (number(list.of)) }
        "."
    }
}

fn exports(view: &View, address: &str) -> Markup {
    html! {
        "All of them as "
        a href=(view.link(&format!("/jobs.csv?{address}"))) download { "CSV" } " or "
        a href=(view.link(&format!("/jobs.json?{address}"))) download { "JSON" } "."
    }
}

fn nothing(view: &View, filter: &JobFilter, list: &JobList) -> Markup {
    html! {
        p.empty {
            @if list.next.is_some() {
                "None among those looked at so far. There are more to look at: go on."
            } @else if filter.chooses_jobs() || filter.queue.is_some() {
                "No such jobs. What is done, cancelled or on the dead-letter topic is gone from here: see "
                a href=(view.link("/dead")) { "dead letters" } " and " a href=(view.link("/events")) { "events" } "."
            } @else {
                "No queue holds a job. Publish an event that a route makes a job of, or look at the "
                a href=(view.link("/routes")) { "routes" } "."
            }
        }
    }
}

/// What can be done to several jobs of a queue.
fn bulk(view: &View, queue: &str, filter: &JobFilter, list: &JobList) -> Markup {
    if !view.may(Role::Operator, Some(queue)) {
        return html! {};
    }
    let is_in = |states: &[JobState]| filter.state.is_none_or(|state| states.contains(&state));
    let forms = |jobs: &JobChoice, ids: &Markup| {
        use JobState::{Active, Dead, Delayed, Done, Held, Waiting};
        let jobs = || jobs.clone();
        html! {
            @if is_in(&[Dead]) { (form::form(view, &Action::RetryJobs { jobs: jobs() }, ids, "Retry")) }
            @if is_in(&[Delayed]) { (form::form(view, &Action::RunJobs { jobs: jobs() }, ids, "Run now")) }
            @if is_in(&[Waiting, Delayed, Held, Active]) { (form::form(view, &Action::CancelJobs { jobs: jobs() }, ids, "Cancel")) }
            @if is_in(&[Waiting, Delayed, Held, Dead, Done]) { (form::form(view, &Action::DeleteJobs { jobs: jobs() }, ids, "Delete")) }
            @if is_in(&[Waiting, Delayed, Held, Dead]) { (move_to(view, queue, jobs(), ids)) }
        }
    };
    let chosen = JobChoice::named(queue, Vec::new());
    let ids = html! { input type="hidden" name="/jobs/ids" data-ids; };
    html! {
        div.bulk #chosen data-with-chosen hidden { strong { span data-chosen { "0" } " chosen:" } (forms(&chosen, &ids)) }
        details #all-that-match {
            summary { "All that match (" @if !list.is_exact { "at least " } (number(list.total)) ")" }
            div.bulk #matching { (forms(&JobChoice::filtered(queue, filter), &html! {})) }
        }
    }
}

/// A form that moves jobs to another queue.
pub(super) fn move_to(view: &View, queue: &str, jobs: JobChoice, ids: &Markup) -> Markup {
    let others: Vec<&String> = view.site().queue_names.iter().filter(|name| *name != queue).collect();
    let others: Vec<&String> = others.into_iter().filter(|name| view.may(Role::Operator, Some(name))).collect();
    if others.is_empty() {
        return html! {};
    }
    let fields = html! {
        (ids)
        select name="/to" aria-label="Queue to move to" { @for name in &others { option value=(name) { (name) } } }
        " "
    };
    form::form(view, &Action::MoveJobs { jobs, to: String::new() }, &fields, "Move")
}

fn table(view: &View, list: &JobList, is_chosen: bool) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Jobs" {
            table.rows #jobs {
                thead { tr {
                    @if is_chosen { th scope="col" { input type="checkbox" data-all aria-label="Choose all on this page"; } }
                    th scope="col" { "Job" } th scope="col" { "Kind" }
                    @if !is_chosen { th scope="col" { "Queue" } }
                    th scope="col" { "State" } th.n scope="col" { "Attempts" } th scope="col" { "When" }
                    th scope="col" { "Arguments" } th scope="col" { "Error" }
                } }
                tbody { @for job in &list.jobs { (row(view, job, list, is_chosen)) } }
            }
        }
    }
}

fn row(view: &View, seen: &SeenJob, list: &JobList, is_chosen: bool) -> Markup {
    let SeenJob { queue, job, arguments } = seen;
    let text = arguments.to_string();
    let cut: String = text.chars().take(ARGUMENTS).collect();
    html! {
        tr id=(format!("job-{queue}-{}", job.key)) {
            @if is_chosen { td { input type="checkbox" name="id" value=(job.key) aria-label=(format!("Choose job {}", job.key)); } }
            th scope="row" { a.mono href=(view.link(&path(queue, job.key.as_str()))) { (job.key) } }
            td { (job.kind) @if job.version > 1 { span.faint { "@" (job.version) } } }
            @if !is_chosen { td { (queue) } }
            td { (state_tag(job.state)) @if job.stopping { " " span.tag.warn { "stopping" } } }
            td.n { (job.attempts) "/" (job.max_attempts) }
            td { @match (job.state, job.at) {
                (JobState::Delayed, Some(at)) => { "due " (time(at)) },
                (JobState::Active, Some(at)) => { "since " (time(at)) },
                (JobState::Done, Some(at)) => { "done " (time(at)) },
                _ => { (span(age(job.enqueued_at, list))) " old" },
            } }
            td.long.mono title=(cut) { (cut) @if cut.len() < text.len() { "…" } }
            td.long { @if let Some(failure) = job.failures.last() { span title=(failure.message) { (failure.code) ": " (failure.message) } } }
        }
    }
}

fn age(at: chrono::DateTime<chrono::Utc>, list: &JobList) -> Duration {
    (list.now - at).to_std().unwrap_or_default()
}

/// The address of a job.
pub(super) fn path(queue: &str, id: &str) -> String {
    format!("/jobs/{}/{}", encoded(queue), encoded(id))
}

pub(super) fn state_tag(state: JobState) -> Markup {
    html! { span.tag.(state) { (state) } }
}
