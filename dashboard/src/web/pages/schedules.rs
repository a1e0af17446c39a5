//! Schedules.

use maud::{Markup, html};

use super::super::{form, moment::time, page::Page, trouble::Trouble, view::View};
use crate::{
    act::Action,
    see::{self, ComingTick, MadeJob, ScheduleDetail, ScheduleView},
};

/// All schedules.
pub(super) async fn all(view: View) -> Result<Page, Trouble> {
    let schedules = see::schedules(view.site()).await?;
    let main = html! {
        h1 { "Schedules" }
        @if schedules.is_empty() {
            p.empty #no-schedules {
                "There are none. Those of the code (" code { "App::schedule(…)" } ") come with the first worker or scheduler that starts."
            }
        } @else {
            div.scroll tabindex="0" role="region" aria-label="Schedules" {
                table.rows #schedules {
                    thead { tr {
                        th scope="col" { "Schedule" } th scope="col" { "When" } th scope="col" { "Next" } th scope="col" { "Last" }
                        th scope="col" { "Job" } th scope="col" { span.faint { "Do" } }
                    } }
                    tbody { @for schedule in &schedules { (row(&view, schedule)) } }
                }
            }
        }
    };
    Ok(Page::new("Schedules", "schedules", main))
}

fn row(view: &View, schedule: &ScheduleView) -> Markup {
    let ScheduleView { name, queue, .. } = schedule;
    html! {
        tr id=(format!("schedule-{queue}-{name}")) {
            th scope="row" { a href=(view.link_to(&["schedules", name])) { (name) } (tags(schedule)) }
            td { code { (schedule.cron) } " " span.faint { (schedule.zone) } }
            td { @match schedule.next { Some(next) => (time(next)), None => "never" } }
            td { @match schedule.last { Some(last) => (time(last)), None => "never" } }
            td { (schedule.kind) " " span.faint { "in " (queue) } }
            td.acts { (acts(view, schedule)) }
        }
    }
}

/// What is worth to be said of it, in a word each.
fn tags(schedule: &ScheduleView) -> Markup {
    html! {
        @if schedule.paused { " " span.tag.warn { "paused" } }
        @if schedule.left { " " span.tag.warn { "left the code" } }
        @if schedule.defined.is_some() { " " span.tag { "edited" } }
        @if schedule.overdue.is_some() { " " span.tag.bad { "overdue" } }
    }
}

fn acts(view: &View, schedule: &ScheduleView) -> Markup {
    let (queue, name) = (|| schedule.queue.clone(), || schedule.name.clone());
    html! {
        (form::button(view, &Action::RunSchedule { queue: queue(), schedule: name() }, "Run now"))
        @if schedule.paused {
            (form::button(view, &Action::ResumeSchedule { queue: queue(), schedule: name() }, "Resume"))
        } @else if !schedule.left {
            (form::button(view, &Action::PauseSchedule { queue: queue(), schedule: name() }, "Pause"))
        }
        @if schedule.left || schedule.application.is_none() {
            (form::button(view, &Action::RemoveSchedule { queue: queue(), schedule: name() }, "Remove"))
        }
    }
}

/// One schedule.
pub(super) async fn one(view: View) -> Result<Page, Trouble> {
    let detail = see::schedule(view.site(), view.param("name")).await?;
    let ScheduleDetail { schedule, payload, ticks, jobs } = &detail;
    let main = html! {
        p.crumbs { a href=(view.link("/schedules")) { "Schedules" } }
        h1 { (schedule.name) (tags(schedule)) }
        (words(schedule))
        div.acts { (acts(&view, schedule)) }
        div.grid {
            section.card { h2 { "When" } (facts(&view, schedule)) (edit(&view, schedule)) }
            section.card { h2 { "Next" } (next(schedule, ticks)) }
        }
        section.card {
            h2 { "What it made last" }
            (made(&view, schedule, jobs))
        }
        section.card {
            h2 { "Its job" }
            p { "Kind " code { (schedule.kind) } ", in queue " a href=(view.link_to(&["queues", &schedule.queue])) { (schedule.queue) } ", with:" }
            pre { (payload) }
        }
    };
    Ok(Page::new(&*schedule.name, "schedules", main))
}

/// What is not as it should be, and what to do about it.
fn words(schedule: &ScheduleView) -> Markup {
    html! {
        @if schedule.left {
            p { "Its code does not have it any more, so it does not fire. Remove it, or bring it back into the code: then it goes on." }
        }
        @if let Some(overdue) = schedule.overdue {
            p { "Nobody fired " (time(overdue)) ". Every worker fires schedules, and so does " code { "millgate scheduler" } ": does one run?" }
        }
    }
}

fn facts(view: &View, schedule: &ScheduleView) -> Markup {
    let reset = || Action::ResetSchedule { queue: schedule.queue.clone(), schedule: schedule.name.clone() };
    html! {
        dl.facts {
            dt { "Expression" } dd { code { (schedule.cron) } }
            dt { "On the clock of" } dd { (schedule.zone) }
            @if let Some(defined) = &schedule.defined {
                dt { "Its definition" } dd { code { (defined.cron) } " in " (defined.zone) " " (form::button(view, &reset(), "Reset to it")) }
            }
            dt { "Missed ticks" } dd { (match schedule.catch_up {
                millgate_jobs::CatchUp::Skip => "are skipped",
                millgate_jobs::CatchUp::One => "come to one job",
                millgate_jobs::CatchUp::All => "come to a job each",
            }) }
            @if schedule.jitter_seconds > 0.0 { dt { "Put off" } dd { "by less than " (schedule.jitter_seconds) " s" } }
            dt { "Declared" } dd { @match &schedule.application {
                Some(application) => { "in the code of " (application) }
                None => { "at run time" }
            } }
        }
    }
}

fn edit(view: &View, schedule: &ScheduleView) -> Markup {
    let ScheduleView { name, queue, cron, zone, .. } = schedule;
    let action =
        Action::EditSchedule { queue: queue.clone(), schedule: name.clone(), cron: cron.clone(), zone: zone.clone() };
    if !view.may_act(&action) {
        return html! {};
    }
    let fields = html! {
        label.field { "Expression" input name="/cron" value=(cron) required; }
        label.field { "Time zone" input name="/zone" value=(zone) required; }
    };
    html! {
        details #edit {
            summary { "Other times" }
            p.faint {
                "They hold from now on, over restarts and deploys, until you reset them or the code has new times itself. "
                "Minute, hour, day of month, month, day of week."
            }
            div.filters { (form::form(view, &action, &fields, "Fire at these times")) }
        }
    }
}

fn next(schedule: &ScheduleView, ticks: &[ComingTick]) -> Markup {
    if ticks.is_empty() {
        return html! {
            p { @if schedule.paused { "It is paused: it fires when it is resumed, from then on." } @else { "It does not fire any more." } }
        };
    }
    html! {
        table.rows #ticks {
            thead { tr { th scope="col" { "Your time" } th scope="col" { (schedule.zone) } } }
            tbody { @for tick in ticks {
                tr { td { (time(tick.at)) } td { (tick.on_its_clock.format("%a %Y-%m-%d %H:%M:%S %:z")) } }
            } }
        }
    }
}

fn made(view: &View, schedule: &ScheduleView, jobs: &[MadeJob]) -> Markup {
    if jobs.is_empty() {
        return html! { p { "Nothing yet." } };
    }
    html! {
        div.scroll tabindex="0" role="region" aria-label="Jobs that it made last" {
            table.rows #made {
                thead { tr { th scope="col" { "Job" } th scope="col" { "Made" } th scope="col" { "For the tick" } th scope="col" { "It is" } } }
                tbody { @for job in jobs {
                    tr id=(format!("job-{}", job.key)) {
                        td { @match job.state {
                            Some(_) => a.mono href=(view.link_to(&["jobs", &schedule.queue, job.key.as_str()])) { (job.key) },
                            None => span.mono { (job.key) },
                        } }
                        td { (time(job.at)) }
                        td { @match job.tick { Some(tick) => (time(tick)), None => "run by hand" } }
                        td { @match job.state {
                            Some(state) => span class=(format!("tag {state}")) { (state) },
                            None => "done, or otherwise gone",
                        } }
                    }
                } }
            }
        }
    }
}
