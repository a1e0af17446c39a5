//! Sagas: all of them, and one's steps and timeline.

use maud::{Markup, html};
use millgate_bridge::saga::{Cause, SagaDetail, SagaRow, SagaStatus, StepStatus, StepView, TimelineEntry};

use super::super::{
    address::{encoded, query},
    form,
    graph::{Graph, Node},
    moment::{span, time},
    page::Page,
    trouble::Trouble,
    view::View,
};
use crate::{
    act::Action,
    see::{self, SagaChoice, Severity},
};

/// Sagas that match what stands in the address.
pub(super) async fn all(view: View) -> Result<Page, Trouble> {
    let choice: SagaChoice = view.query()?;
    if view.site().sagas.is_none() {
        let main =
            html! { h1 { "Sagas" } p.empty { "This application has none: add one by " code { "App::saga(…)" } "." } };
        return Ok(Page::new("Sagas", "sagas", main));
    }
    let page = see::sagas(view.site(), &choice).await?;
    let SagaChoice { status, saga, key, .. } = &choice;
    let main = html! {
        h1 { "Sagas" }
        (filters(&view, &choice))
        @if page.sagas.is_empty() {
            p.empty #no-sagas { @if status.is_empty() && saga.is_empty() && key.is_empty() { "None has begun yet." } @else { "None matches." } }
        } @else {
            div.scroll tabindex="0" role="region" aria-label="Sagas" {
                table.rows #sagas {
                    thead { tr {
                        th scope="col" { "Saga" } th scope="col" { "About" } th scope="col" { "It is" } th.n scope="col" { "Steps" }
                        th scope="col" { "At" } th scope="col" { "Why" } th scope="col" { "Began" } th scope="col" { "Last change" }
                    } }
                    tbody { @for saga in &page.sagas { (row(&view, saga)) } }
                }
            }
        }
        @if let Some(next) = &page.next {
            @let address = query(&[("status", status), ("saga", saga), ("key", key), ("after", next)]);
            p { a.button #next href=(view.link(&format!("/sagas?{address}"))) { "Next page" } }
        }
    };
    Ok(Page::new("Sagas", "sagas", main))
}

fn filters(view: &View, choice: &SagaChoice) -> Markup {
    let names: Vec<&str> = view.site().sagas.iter().flat_map(|store| store.definitions().names()).collect();
    let statuses = ["open"].into_iter().chain(SagaStatus::ALL.map(SagaStatus::as_str));
    html! {
        form.filters #filters action=(view.link("/sagas")) {
            label { "It is"
                select name="status" data-go {
                    option value="" { "anything" }
                    @for status in statuses { option value=(status) selected[status == choice.status] { (status) } }
                }
            }
            label { "Saga"
                select name="saga" data-go {
                    option value="" { "any" }
                    @for name in names { option value=(name) selected[name == choice.saga] { (name) } }
                }
            }
            label { "About" input name="key" value=(choice.key) size="24" placeholder="an order's id"; }
            button.main { "Find" }
            @if *choice != SagaChoice::default() { a.button href=(view.link("/sagas")) { "Clear" } }
        }
    }
}

fn row(view: &View, saga: &SagaRow) -> Markup {
    html! {
        tr id=(format!("saga-{}", saga.id)) {
            th scope="row" { a href=(view.link(&format!("/sagas/{}", saga.id))) { (saga.saga) } @if saga.version > 1 { " " span.faint { "version " (saga.version) } } }
            td { a href=(view.link(&format!("/events/{}?by=key", encoded(&saga.key)))) { (saga.key) } }
            td { (tag(saga.status)) @if !saga.is_known { " " span.tag.warn { "no program here has its definition" } } }
            td.n { (saga.done) " of " (saga.steps) }
            td { @if let Some((step, status)) = &saga.at { (step) " " span.faint { (words(*status)) } } }
            td { @if let Some(cause) = &saga.cause { (why(cause)) } }
            td { (time(saga.started_at)) }
            td { (time(saga.changed_at)) }
        }
    }
}

fn tag(status: SagaStatus) -> Markup {
    let class = match status {
        SagaStatus::Running => "",
        SagaStatus::Compensating => "warn",
        SagaStatus::Stuck => "bad",
        SagaStatus::Completed => "good",
        SagaStatus::Compensated => "third",
    };
    html! { span.tag.(class) { (status) } }
}

fn why(cause: &Cause) -> Markup {
    html! { @if let Some(step) = &cause.step { (step) ": " } code { (cause.code) } " " (cause.message) }
}

/// How a step is, in words.
fn words(status: StepStatus) -> &'static str {
    match status {
        StepStatus::Waiting => "not begun",
        StepStatus::Sent => "command sent",
        StepStatus::Retrying => "to be tried again",
        StepStatus::Done => "done",
        StepStatus::Failed => "failed",
        StepStatus::GivenUp => "given up",
        StepStatus::Undoing => "being taken back",
        StepStatus::UndoRetrying => "to be taken back again",
        StepStatus::Undone => "taken back",
        StepStatus::Stuck => "cannot be taken back",
    }
}

/// One saga: its picture, its steps, what happened.
pub(super) async fn one(view: View) -> Result<Page, Trouble> {
    let detail = see::saga(view.site(), view.param("id")).await?;
    let SagaDetail { row, progress, timeline, state, .. } = &detail;
    let heading = format!("{} {}", row.saga, row.key);
    let main = html! {
        p.crumbs { a href=(view.link("/sagas")) { "Sagas" } }
        h1 { (heading) " " (tag(row.status)) }
        (advice(&detail))
        div.acts { (acts(&view, row)) }
        (facts(&view, &detail))
        section.card aria-labelledby="picture" {
            h2 #picture { "Its steps" }
            (graph(progress).draw("The steps in their order, those of a column at the same time; the table below says the same"))
            (steps(progress))
        }
        section.card aria-labelledby="story" {
            h2 #story { "What happened" }
            ol.timeline { @for entry in timeline { (moment(entry, timeline)) } }
        }
        section.card {
            h2 { "What it keeps" }
            pre tabindex="0" { (serde_json::to_string_pretty(state).unwrap_or_default()) }
        }
    };
    Ok(Page::new(heading, "sagas", main))
}

/// What somebody has to know, or to do.
fn advice(detail: &SagaDetail) -> Markup {
    let SagaDetail { row, parked, .. } = detail;
    html! {
        @if !row.is_known {
            p.wrong { "No program here has version " (row.version) " of its definition, so it stands still. Start one that has, or bring that version back into the code." }
        }
        @if *parked > 0 { p.wrong { (parked) " replies wait for a program that has its definition." } }
        @if row.status == SagaStatus::Stuck {
            p.wrong {
                "A step cannot be taken back, and everything before it waits. Mend what keeps it and let it be tried again, or take it back by hand and say so: "
                code { "millgate saga retry " (row.id) } " or " code { "millgate saga resolve " (row.id) } "."
            }
        }
    }
}

/// What can be done about it as it is.
fn acts(view: &View, row: &SagaRow) -> Markup {
    let why = html! { label { "Why " input name="/why" required size="30"; } };
    html! {
        @if !row.status.has_ended() { (form::button(view, &Action::RetrySaga { saga: row.id }, "Try again now")) }
        @if row.status == SagaStatus::Running {
            (form::form(view, &Action::CompensateSaga { saga: row.id, why: String::new() }, &why, "Take it back"))
        }
        @if row.status == SagaStatus::Stuck {
            (form::form(view, &Action::ResolveSaga { saga: row.id, step: None, why: String::new() }, &why, "It was taken back by hand"))
        }
    }
}

fn facts(view: &View, detail: &SagaDetail) -> Markup {
    let SagaDetail { row, correlation_id, .. } = detail;
    let took = row.ended_at.and_then(|ended| (ended - row.started_at).to_std().ok());
    html! {
        dl.facts.card {
            dt { "Id" } dd { code { (row.id) } }
            dt { "Definition" } dd { (row.saga) ", version " (row.version) }
            dt { "Its story" } dd { a href=(view.link(&format!("/events/{}?by=correlation", encoded(correlation_id)))) { code { (correlation_id) } } }
            dt { "Began" } dd { (time(row.started_at)) }
            @if let Some(ended) = row.ended_at { dt { "Ended" } dd { (time(ended)) @if let Some(took) = took { ", after " (span(took)) } } }
            @if let Some(due) = row.due { dt { "Next timer" } dd { (time(due)) } }
            @if let Some(cause) = &row.cause { dt { "Turned back for" } dd { (why(cause)) } }
        }
    }
}

/// A column a stage; without the definition each step is one.
fn graph(steps: &[StepView]) -> Graph {
    let mut stages: Vec<Vec<Node>> = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let stage = step.stage.unwrap_or(number);
        stages.resize_with(stages.len().max(stage + 1), Vec::new);
        stages[stage].push(Node {
            label: step.name.clone(),
            link: Some(format!("#step-{}", step.name)),
            tone: see::tone(step.status),
        });
    }
    Graph::stages(stages)
}

fn steps(steps: &[StepView]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Steps" { table.rows #steps {
            thead { tr {
                th scope="col" { "Step" } th scope="col" { "Taken back by" } th scope="col" { "It is" } th.n scope="col" { "Tries" }
                th scope="col" { "Began" } th scope="col" { "Ended" } th scope="col" { "Timer" } th scope="col" { "What went wrong" }
            } }
            tbody { @for step in steps { tr id=(format!("step-{}", step.name)) {
                th scope="row" { (step.name) }
                td { @match &step.compensation { Some(name) => (name), None => span.faint { "nothing" } } }
                td { (words(step.status)) }
                td.n { (step.tries) }
                td { @if let Some(at) = step.began_at { (time(at)) } }
                td { @if let Some(at) = step.ended_at { (time(at)) } }
                td { @if let Some(at) = step.due { (time(at)) } }
                td { @if let Some(cause) = &step.failure { code { (cause.code) } " " (cause.message) } }
            } } }
        } }
    }
}

fn moment(entry: &TimelineEntry, timeline: &[TimelineEntry]) -> Markup {
    let first = timeline.first().map_or(entry.at, |first| first.at);
    let after = (entry.at - first).to_std().unwrap_or_default();
    let class = match see::severity(entry.what) {
        Severity::Good => "good",
        Severity::Info => "info",
        Severity::Warning => "warn",
        Severity::Bad => "bad",
    };
    html! {
        li.(class) {
            span.faint { (time(entry.at)) " · +" (span(after)) } br;
            strong { (entry.what.as_str().replace('-', " ")) }
            @if let Some(step) = &entry.step { " " (step) }
            @if !entry.detail.is_empty() { ": " (entry.detail) }
        }
    }
}
