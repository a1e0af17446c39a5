//! Small charts, drawn here: a page needs no script for them.

use std::fmt::Write;

use maud::{Markup, PreEscaped, html};

const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 120.0;

/// One line of a chart.
pub(crate) struct Line<'a> {
    /// What it shows.
    pub(crate) name: &'a str,
    /// Its colour: `done`, `failed`, `dead`, `waiting`, or `plain`.
    pub(crate) tone: &'a str,
    /// Its values, the oldest first; all lines of a chart have as many.
    pub(crate) values: &'a [f64],
}

/// Lines over one time, from `begin` to `end` as the axis says. `of` says in words what it shows, for those who do not see it.
pub(crate) fn lines(of: &str, unit: &str, (begin, end): (&str, &str), lines: &[Line<'_>]) -> Markup {
    let most = lines.iter().flat_map(|line| line.values).copied().fold(0.0, f64::max);
    let top = nice(most);
    html! {
        figure.chart {
            svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) preserveAspectRatio="none" role="img" aria-label=(of) {
                @for share in [0.0, 0.5, 1.0] {
                    line.grid x1="0" x2=(WIDTH) y1=(HEIGHT * share) y2=(HEIGHT * share) {}
                }
                @for line in lines {
                    path.(line.tone) d=(path(line.values, top)) vector-effect="non-scaling-stroke" { title { (line.name) } }
                }
            }
            span.peak { (figure(top)) " " (unit) }
            figcaption {
                span.from { (begin) }
                span.legend { @for line in lines { span.(line.tone) { i {} (line.name) } } }
                span.to { (end) }
            }
        }
    }
}

/// A line so small that it fits into a row.
pub(crate) fn spark(of: &str, values: &[f64]) -> Markup {
    let top = values.iter().copied().fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    html! {
        svg.spark viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) preserveAspectRatio="none" role="img" aria-label=(of) {
            path.plain d=(path(values, top)) vector-effect="non-scaling-stroke" {}
        }
    }
}

/// A share of a whole as a bar, with words beside it for those who do not see it.
pub(crate) fn bar(of: &str, share: f64) -> Markup {
    let width = (share.clamp(0.0, 1.0) * 100.0).round();
    let bar = format!(
        r#"<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect class="whole" width="100" height="8"/><rect class="part" width="{width}" height="8"/></svg>"#
    );
    html! { span.share { (PreEscaped(bar)) span { (of) } } }
}

/// So many of so many, as a bar.
#[expect(clippy::cast_precision_loss, reason = "a bar has a hundred steps")]
pub(crate) fn share(part: u64, whole: u64) -> Markup {
    bar(&format!("{part} of {whole}"), part as f64 / whole.max(1) as f64)
}

#[expect(clippy::cast_precision_loss, reason = "a chart has some hundred points")]
fn path(values: &[f64], top: f64) -> String {
    let step = WIDTH / (values.len().max(2) - 1) as f64;
    let mut path = String::new();
    for (at, value) in values.iter().enumerate() {
        let (x, y) = (step * at as f64, HEIGHT - 2.0 - (value / top) * (HEIGHT - 4.0));
        let letter = if at == 0 { 'M' } else { 'L' };
        // A String takes all that is written to it.
        let _ = write!(path, "{letter}{x:.1} {y:.1}");
    }
    path
}

/// The next of 1, 2, 5, 10, 20, 50 …
fn nice(most: f64) -> f64 {
    if most <= 0.0 {
        return 1.0;
    }
    let ten = 10f64.powf(most.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * ten).find(|step| *step >= most).unwrap_or(most)
}

/// A number as an axis has it.
pub(crate) fn figure(value: f64) -> String {
    match value {
        1_000_000.0.. => format!("{:.1} M", value / 1_000_000.0),
        10_000.0.. => format!("{:.0} k", value / 1_000.0),
        1_000.0.. => format!("{:.1} k", value / 1_000.0),
        10.0.. => format!("{value:.0}"),
        0.0 => "0".to_owned(),
        _ => format!("{value:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_at_a_round_number() {
        assert_eq!([0.0, 0.3, 7.0, 12.0, 480.0].map(|most| nice(most).to_string()), ["1", "0.5", "10", "20", "500"]);
        assert_eq!(figure(12_500.0), "12 k");
    }

    #[test]
    fn a_line_goes_from_end_to_end() {
        assert_eq!(path(&[0.0, 1.0], 1.0), "M0.0 118.0L600.0 2.0");
        assert_eq!(path(&[], 1.0), "");
    }
}
