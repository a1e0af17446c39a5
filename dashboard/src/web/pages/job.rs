//! One job: its whole story, why it is not running, and what can be done.

use maud::{Markup, html};
use millgate_jobs::{JobState, Origin};
use serde_json::Value;

use super::{
    super::{
        address::encoded,
        chart, form,
        moment::{span, time},
        page::Page,
        trouble::Trouble,
        view::View,
    },
    jobs::{move_to, path, state_tag},
};
use crate::{
    access::{HIDDEN, Role},
    act::{Action, JobChoice, Payload},
    see::{self, JobPage, SeenJob},
};

/// A job.
pub(super) async fn one(view: View) -> Result<Page, Trouble> {
    let (queue, id) = (view.param("queue").to_owned(), view.param("id").to_owned());
    let page = match see::job(view.site(), std::slice::from_ref(&queue), &id, Some(&view.site().mask)).await? {
        Ok(page) => page,
        Err(_) => return Ok(Page::new("Job", "jobs", gone(&view, &queue, &id))),
    };
    let SeenJob { queue, job, .. } = &page.job;
    let title = format!("Job {}", job.key);
    let main = html! {
        (crumbs(&view, queue))
        h1 { (job.kind) " " span.mono { (job.key) } " " (state_tag(job.state)) }
        section.card #why aria-label="Why it is not running" { (why(&view, &page)) }
        (acts(&view, &page))
        div.grid {
            section.card { h2 { "What it is" } (facts(&view, &page)) }
            section.card {
                h2 { "Arguments" }
                pre #arguments tabindex="0" { (pretty(&page.job)) }
                (edit(&view, &page))
            }
        }
        section.card {
            h2 { "Attempts" }
            (attempts(&page))
            p { a href=(view.link(&format!("/events/{}?by=job", encoded(&job.id)))) { "Its whole life" } }
        }
        @if !job.log.is_empty() {
            section.card {
                h2 { "Log" }
                ol.timeline { @for (at, line) in &job.log { li { (time(*at)) " " (line) } } }
            }
        }
        @if let Some(origin) = &job.origin { section.card { h2 { "Where it comes from" } (comes_from(&view, origin)) } }
    };
    Ok(Page::new(title, "jobs", main))
}

/// In place of a job that is not there, or not any more: its page may be open while it ends.
fn gone(view: &View, queue: &str, id: &str) -> Markup {
    html! {
        (crumbs(view, queue))
        h1 { "Job " span.mono { (id) } " is not in queue " (queue) }
        p.empty {
            "What is done, cancelled or on the dead-letter topic is gone from its queue. "
            a #life href=(view.link(&format!("/events/{}?by=job", encoded(id)))) { "What is known of its life" }
            ", or " a href=(view.link(&format!("/jobs?queue={}", encoded(queue)))) { "what else is in " (queue) } "."
        }
    }
}

fn crumbs(view: &View, queue: &str) -> Markup {
    html! {
        p.crumbs {
            a href=(view.link("/jobs")) { "Jobs" } " › "
            a href=(view.link(&format!("/jobs?queue={}", encoded(queue)))) { (queue) }
        }
    }
}

/// Arguments as one reads them.
fn pretty(SeenJob { arguments, .. }: &SeenJob) -> String {
    serde_json::to_string_pretty(arguments).unwrap_or_default()
}

fn why(view: &View, page: &JobPage) -> Markup {
    let SeenJob { queue, job, .. } = &page.job;
    let title = if job.state == JobState::Active { "It runs" } else { "Why it is not running" };
    html! {
        h2 { (title) }
        ul {
            @for reason in &page.reasons {
                li {
                    (reason.text)
                    @if let Some(behind) = reason.behind {
                        " — " a href=(view.link(&path(queue, behind.as_str()))) { "job " (behind) }
                    }
                }
            }
            @if page.stats.draining { li { "Its queue is being drained: it takes no more jobs; this one is still done." } }
        }
        @if let Some(percent) = job.progress { p #progress { (chart::bar(&format!("{percent:.0} % done"), percent / 100.0)) } }
    }
}

fn acts(view: &View, page: &JobPage) -> Markup {
    use JobState::{Active, Dead, Delayed, Done, Held, Waiting};
    let SeenJob { queue, job, .. } = &page.job;
    let jobs = || JobChoice::named(queue, vec![job.key.to_string()]);
    let is_in = |states: &[JobState]| states.contains(&job.state);
    html! {
        div.bulk #acts {
            @if is_in(&[Dead]) { (form::button(view, &Action::RetryJobs { jobs: jobs() }, "Retry")) }
            @if is_in(&[Delayed]) { (form::button(view, &Action::RunJobs { jobs: jobs() }, "Run now")) }
            @if is_in(&[Waiting, Delayed, Held, Active]) && !job.stopping {
                (form::button(view, &Action::CancelJobs { jobs: jobs() }, if job.state == Active { "Tell it to stop" } else { "Cancel" }))
            }
            @if is_in(&[Waiting, Delayed, Held, Dead, Done]) { (form::button(view, &Action::DeleteJobs { jobs: jobs() }, "Delete")) }
            @if is_in(&[Waiting, Delayed, Held, Dead]) { (move_to(view, queue, jobs(), &html! {})) }
        }
    }
}

fn facts(view: &View, page: &JobPage) -> Markup {
    let SeenJob { queue, job, .. } = &page.job;
    html! {
        dl.facts {
            dt { "Queue" } dd { a href=(view.link(&format!("/queues/{}", encoded(queue)))) { (queue) } ", priority " (job.priority) }
            @if job.id != job.key.as_str() { dt { "Own id" } dd.mono { (job.id) } }
            dt { "Kind" } dd { (job.kind) @if job.version > 1 { ", version " (job.version) } }
            dt { "Enqueued" } dd { (time(job.enqueued_at)) ", " (span((page.now - job.enqueued_at).to_std().unwrap_or_default())) " ago" }
            @if job.time != job.enqueued_at { dt { "About" } dd { (time(job.time)) } }
            @if let Some(at) = job.at {
                dt { (match job.state {
                    JobState::Delayed => "Due",
                    JobState::Active => "Started",
                    JobState::Done => "Done",
                    _ => "Next",
                }) }
                dd { (time(at)) }
            }
            @if let Some(lane) = &job.lane { dt { "Lane" } dd.mono { (lane) } }
            @if let Some(key) = &job.unique { dt { "Unique key" } dd.mono { (key) } }
            dt { "Attempts" } dd { (job.attempts) " of " (job.max_attempts) }
        }
    }
}

fn edit(view: &View, page: &JobPage) -> Markup {
    let SeenJob { queue, job, .. } = &page.job;
    let can = matches!(job.state, JobState::Waiting | JobState::Delayed | JobState::Dead);
    if !can || !view.may(Role::Operator, Some(queue)) {
        return html! {};
    }
    let (queue, id) = (queue.clone(), job.key.to_string());
    // What is typed goes where this stands.
    let action = Action::EditJob { queue, id, payload: Payload(Value::Null) };
    let text = pretty(&page.job);
    let rows = text.lines().count().clamp(4, 24);
    let fields = html! {
        label.field { "Arguments as JSON" textarea name="/payload" rows=(rows) spellcheck="false" { (text) } }
        p.faint {
            "It keeps its options and runs at once with these. That cannot be undone."
            @if !page.job.is_whole() { " What is hidden stays as it is where you leave " code { (HIDDEN) } "." }
        }
    };
    html! { details #edit { summary { "Edit and run" } (form::form(view, &action, &fields, "Run with these")) } }
}

fn attempts(page: &JobPage) -> Markup {
    let job = &page.job.job;
    html! {
        @if job.failures.is_empty() {
            p.faint { (match job.attempts { 0 => "It has not run yet.", _ => "No attempt has failed." }) }
        } @else {
            ol.timeline #attempts {
                @for failure in &job.failures {
                    li.bad {
                        strong { "Attempt " (failure.attempt) } " " (time(failure.at)) " " span.tag.bad { (failure.code) }
                        pre { (failure.message) }
                    }
                }
            }
        }
    }
}

fn comes_from(view: &View, origin: &Origin) -> Markup {
    html! {
        dl.facts {
            dt { "Event" }
            dd {
                a #event href=(view.link(&format!("/events/{}?by=event", encoded(&origin.event_id)))) { (origin.event_type) " " (origin.event_id) }
                " of " (origin.event_source)
            }
            dt { "Record" } dd.mono { (origin.record) }
            dt { "Request" }
            dd.mono { a href=(view.link(&format!("/events/{}?by=correlation", encoded(&origin.correlation_id)))) { (origin.correlation_id) } }
        }
    }
}
