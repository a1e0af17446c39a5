//! Dead letters: what they died of, those of one cause, and one of them.

mod cause;
mod export;
mod letter;

use std::sync::Arc;

use axum::{Router, routing::get};
use maud::{Markup, html};
use millgate_events::{LetterCause, Trend};

use super::super::{
    Web,
    address::encoded,
    chart,
    moment::{number, time},
    page::{Page, page},
    trouble::Trouble,
    view::View,
};
use crate::see::{self, LetterChoice, TrendName};

pub(super) fn routes() -> Router<Arc<Web>> {
    Router::new()
        .route("/dead", page(all))
        .route("/dead/export", get(export::export))
        .route("/dead/letter/{id}", page(letter::one))
        .route("/dead/{fingerprint}", page(cause::one))
}

/// What letters died of.
async fn all(view: View) -> Result<Page, Trouble> {
    if view.site().letters.is_none() {
        let main = html! {
            h1 { "Dead letters" }
            p.empty { (see::no_letters(view.site())) }
        };
        return Ok(Page::new("Dead letters", "dead", main));
    }
    let choice: LetterChoice = view.query()?;
    let causes = see::causes(view.site(), &choice).await?;
    let letters: i64 = causes.iter().map(|cause| cause.letters).sum();
    let trend = choice.trend.map_or(Trend::Day, |trend| trend.0);
    let main = html! {
        h1 { "Dead letters" }
        dl.figures {
            div { dt { "Letters" } dd #letters { (number(letters.unsigned_abs())) } }
            div { dt { "Causes" } dd { (causes.len()) } }
        }
        (filters(&choice, trend))
        @if causes.is_empty() {
            p.empty { "Nothing is dead here. What cannot be done, and events that cannot be read, stand here with what they died of." }
        } @else {
            div.scroll tabindex="0" {
                table.rows {
                    thead { tr {
                        th scope="col" { "Why" } th.n scope="col" { "Letters" } th scope="col" { (name(trend)) }
                        th scope="col" { "First" } th scope="col" { "Last" } th scope="col" { "What" } th scope="col" { "From" }
                    } }
                    tbody { @for cause in &causes { (row(&view, cause, trend)) } }
                }
            }
            p { a.button href=(view.link(&export::address(&choice, "csv"))) { "As CSV" } " " a.button href=(view.link(&export::address(&choice, "json"))) { "As JSON" } }
        }
    };
    Ok(Page::new("Dead letters", "dead", main))
}

fn name(trend: Trend) -> &'static str {
    match trend {
        Trend::Day => "Deaths in 24 hours",
        Trend::Week => "Deaths in 7 days",
    }
}

fn filters(choice: &LetterChoice, trend: Trend) -> Markup {
    let kind = choice.kind.map(millgate_events::LetterKind::as_str);
    html! {
        form.filters method="get" {
            label { "Kind"
                select name="kind" data-go {
                    option value="" { "all" }
                    @for (value, name) in [("event", "events"), ("job", "jobs")] {
                        option value=(value) selected[kind == Some(value)] { (name) }
                    }
                }
            }
            label { "Trend"
                select name="trend" data-go {
                    @for (of, value, name) in [(Trend::Day, "day", "24 hours"), (Trend::Week, "week", "7 days")] {
                        option value=(value) selected[of == trend] { (name) }
                    }
                }
            }
            label { "Queue" input name="queue" value=[choice.queue.as_deref()]; }
            label { "Topic" input name="topic" value=[choice.topic.as_deref()]; }
            label { "Event type" input name="type" value=[choice.event_type.as_deref()]; }
            label { "Job kind" input name="job" value=[choice.job_kind.as_deref()]; }
            button { "Show" }
        }
    }
}

fn row(view: &View, cause: &LetterCause, trend: Trend) -> Markup {
    let from: Vec<&str> = cause.queues.iter().chain(&cause.topics).map(String::as_str).collect();
    html! {
        tr id=(format!("cause-{}", cause.fingerprint)) {
            th scope="row" {
                a href=(view.link(&format!("/dead/{}", encoded(&cause.fingerprint)))) { (cause.code) }
                br; span.faint { (cause.message.lines().next().unwrap_or_default().chars().take(160).collect::<String>()) }
            }
            td.n { (number(cause.letters.unsigned_abs())) }
            td { (chart::spark(&in_words(cause, trend), &values(cause))) }
            td { (time(cause.oldest)) }
            td { (time(cause.newest)) }
            td { (cause.what.join(", ")) }
            td { (from.join(", ")) }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a chart")]
fn values(cause: &LetterCause) -> Vec<f64> {
    cause.trend.iter().map(|deaths| *deaths as f64).collect()
}

/// A trend for those who do not see it.
fn in_words(cause: &LetterCause, trend: Trend) -> String {
    let deaths: i64 = cause.trend.iter().sum();
    let most = cause.trend.iter().max().copied().unwrap_or_default();
    let slot = match trend {
        Trend::Day => "an hour",
        Trend::Week => "six hours",
    };
    format!("{}: {deaths}, at most {most} in {slot}", name(trend))
}

/// What a form's filter says, to be kept in an address.
fn pairs(choice: &LetterChoice) -> Vec<(&'static str, String)> {
    let texts = [
        ("kind", choice.kind.map(|kind| kind.to_string())),
        ("topic", choice.topic.clone()),
        ("type", choice.event_type.clone()),
        ("queue", choice.queue.clone()),
        ("job", choice.job_kind.clone()),
        ("code", choice.code.clone()),
        ("fingerprint", choice.fingerprint.clone()),
        ("status", choice.status.clone()),
        ("trend", choice.trend.map(|TrendName(trend)| if trend == Trend::Day { "day" } else { "week" }.to_owned())),
    ];
    texts.into_iter().filter_map(|(name, text)| Some((name, text?))).collect()
}

/// A query of these fields: `?a=1&b=2`, or nothing.
fn query(pairs: &[(&'static str, String)]) -> String {
    let parts: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    if parts.is_empty() { String::new() } else { format!("?{}", parts.join("&")) }
}
