//! Charts of what happened.

use std::time::Duration;

use maud::Markup;
use millgate_jobs::{History, Point};

use super::{
    chart::{self, Line},
    spans,
};

#[expect(clippy::cast_precision_loss, reason = "a chart shows no more than some digits")]
fn counts(history: &History, of: impl Fn(&Point) -> u64) -> Vec<f64> {
    history.points.iter().map(|point| of(point) as f64).collect()
}

/// A count of each point as so many a second.
fn rates(history: &History, of: impl Fn(&Point) -> u64) -> Vec<f64> {
    let step = history.span.step().as_secs_f64();
    counts(history, of).into_iter().map(|count| count / step).collect()
}

fn seconds(history: &History, of: impl Fn(&Point) -> Option<Duration>) -> Vec<f64> {
    history.points.iter().map(|point| of(point).unwrap_or_default().as_secs_f64()).collect()
}

fn draw(history: &History, of: &str, unit: &str, lines: &[(&str, &str, Vec<f64>)]) -> Markup {
    let peaks = lines.iter().map(|(name, _, values)| {
        let most = values.iter().copied().fold(0.0, f64::max);
        format!("{name} up to {} {unit}", chart::figure(most))
    });
    let begin = spans::beginning(history.span);
    let words = format!("{of} since {begin}: {}", peaks.collect::<Vec<_>>().join(", "));
    let lines: Vec<Line<'_>> = lines.iter().map(|(name, tone, values)| Line { name, tone, values }).collect();
    chart::lines(&words, unit, (begin, "now"), &lines)
}

/// Jobs done and runs failed.
pub(crate) fn throughput(history: &History) -> Markup {
    let (done, failed) = (rates(history, |point| point.done), rates(history, Point::failed));
    draw(history, "Jobs", "a second", &[("done", "done", done), ("failed", "failed", failed)])
}

/// Jobs done, so small that it fits into a row.
pub(crate) fn done(history: &History) -> Markup {
    let done = rates(history, |point| point.done);
    let most = done.iter().copied().fold(0.0, f64::max);
    let begin = spans::beginning(history.span);
    chart::spark(&format!("Jobs done since {begin}: up to {} a second", chart::figure(most)), &done)
}

/// Events handed off.
pub(crate) fn events(history: &History) -> Markup {
    let (well, poison) = (rates(history, |point| point.handed_off), rates(history, |point| point.poison));
    draw(history, "Events", "a second", &[("handed off", "plain", well), ("dead", "dead", poison)])
}

/// How many waited, were put off, and died.
pub(crate) fn waiting(history: &History) -> Markup {
    let (waiting, delayed) = (counts(history, |point| point.waiting), counts(history, |point| point.delayed));
    let dead = counts(history, |point| point.dead);
    let lines = [("waiting", "waiting", waiting), ("delayed", "plain", delayed), ("died", "dead", dead)];
    draw(history, "Jobs", "jobs", &lines)
}

/// How long nearly all waited, and ran.
pub(crate) fn latency(history: &History) -> Markup {
    let (waits, runs) = (seconds(history, |point| point.waits.p95()), seconds(history, |point| point.runs.p95()));
    draw(history, "What 95 of 100 took", "s", &[("wait", "waiting", waits), ("run", "done", runs)])
}

/// How long the oldest had waited.
pub(crate) fn oldest(history: &History) -> Markup {
    let oldest = seconds(history, |point| Some(Duration::from_millis(point.oldest_ms)));
    draw(history, "The oldest waiting job", "s", &[("oldest waiting", "waiting", oldest)])
}
