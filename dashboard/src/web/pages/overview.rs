//! All of it at one look.

use std::time::Duration;

use maud::{Markup, html};

use super::super::{
    chart::figure,
    charts, flow,
    moment::{number, span, time},
    page::Page,
    spans,
    trouble::Trouble,
    view::View,
};
use crate::see::{self, Figures, Gravity, Wrong};

/// The overview.
pub(super) async fn look(view: View) -> Result<Page, Trouble> {
    let over = spans::asked(&view)?;
    let overview = see::overview(view.site(), over).await?;
    let main = html! {
        h1 { "Overview" }
        (wrong(&view, &overview.wrong))
        (figures(&overview.figures))
        section.card aria-labelledby="the-flow" {
            h2 #the-flow { "The flow, now" }
            (flow::flow(&view, &overview.flow))
        }
        (spans::choice(&view, over))
        div.grid {
            @if let Some(events) = &overview.events { section.card { h2 { "Events" } (charts::events(events)) } }
            @if let Some(jobs) = &overview.jobs {
                section.card { h2 { "Jobs" } (charts::throughput(jobs)) }
                section.card { h2 { "Wait and run, p95" } (charts::latency(jobs)) }
                section.card { h2 { "Waiting and dead" } (charts::waiting(jobs)) }
            }
        }
    };
    Ok(Page::new("Overview", "overview", main))
}

fn wrong(view: &View, wrong: &[Wrong]) -> Markup {
    if wrong.is_empty() {
        return html! { p.well #well { "Nothing is wrong that can be seen from here." } };
    }
    html! {
        section aria-label="What is wrong now" {
            ul.wrong #wrong {
                @for wrong in wrong {
                    li class=(match wrong.severity { Gravity::Bad => "bad", Gravity::Warn => "warn" }) {
                        a href=(view.link_to(&wrong.page.iter().map(String::as_str).collect::<Vec<_>>())) { (wrong.text) }
                        @if let Some(since) = wrong.since { " (since " (time(since)) ")" }
                    }
                }
            }
        }
    }
}

fn figures(figures: &Figures) -> Markup {
    let seconds = |seconds: Option<u64>| seconds.map_or("–".to_owned(), |seconds| span(Duration::from_secs(seconds)));
    let p95 = |time: Option<Duration>| time.map_or("–".to_owned(), span);
    html! {
        dl.figures #figures {
            div { dt { "events/s" } dd { (figure(figures.events_per_second)) } }
            div { dt { "jobs/s" } dd { (figure(figures.jobs_per_second)) } }
            div { dt { "failures/s" } dd { (figure(figures.failures_per_second)) } }
            div { dt { "died" } dd { (number(figures.dead)) } }
            div { dt { "waiting" } dd { (number(figures.waiting)) } }
            div { dt { "oldest waits" } dd { (seconds(figures.oldest_age_seconds)) } }
            div { dt { "lag" } dd #lag { @match figures.lag {
                Some(0) => "none",
                Some(lag) => { (number(lag)) ", " (seconds(figures.lag_seconds)) }
                None => "not known",
            } } }
            div { dt { "p95 wait" } dd { (p95(figures.pickup.p95())) } }
            div { dt { "p95 run" } dd { (p95(figures.run.p95())) } }
        }
    }
}
