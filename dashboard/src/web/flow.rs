//! The flow, drawn: a picture where there is room for one, and the same as a list for phones and for those who do not see it.

use maud::{Markup, html};

use super::{chart::figure, view::View};
use crate::see::{Arrow, Flow, Health, Place, Stage};

const BOX: (f64, f64) = (168.0, 50.0);
/// From the beginning of a box to that of the next one.
const STEP: (f64, f64) = (248.0, 64.0);
const STAGES: [(Stage, &str); 6] = [
    (Stage::Topic, "Topics"),
    (Stage::Bridge, "Bridge"),
    (Stage::Stream, "Streams"),
    (Stage::Queue, "Queues"),
    (Stage::Workers, "Workers"),
    (Stage::Dead, "Dead"),
];
const COLUMNS: usize = 5;
/// What a box has room for.
const LETTERS: usize = 22;

/// The flow as a picture and as a list.
pub(crate) fn flow(view: &View, flow: &Flow) -> Markup {
    html! {
        div.flow #flow { (picture(view, flow)) (list(view, flow)) }
    }
}

fn link(view: &View, place: &Place) -> String {
    view.link_to(&place.page.iter().map(String::as_str).collect::<Vec<_>>())
}

fn tone(health: Health) -> &'static str {
    match health {
        Health::Good => "good",
        Health::Warn => "warn",
        Health::Bad => "bad",
    }
}

fn word(health: Health) -> &'static str {
    match health {
        Health::Good => "well",
        Health::Warn => "look",
        Health::Bad => "stands still",
    }
}

fn rate(rate: f64) -> String {
    format!("{}/s", figure(rate))
}

/// The column of a stage: streams stand below the bridges, as they read the same topics and nothing follows them.
fn column(stage: Stage) -> usize {
    match stage {
        Stage::Topic => 0,
        Stage::Bridge | Stage::Stream => 1,
        Stage::Queue => 2,
        Stage::Workers => 3,
        Stage::Dead => 4,
    }
}

/// What stands above each column.
fn headings(flow: &Flow) -> [&'static str; COLUMNS] {
    let has = |stage| flow.places.iter().any(|place| place.stage == stage);
    let second = match (has(Stage::Bridge), has(Stage::Stream)) {
        (true, true) => "Bridge, streams",
        (false, true) => "Streams",
        _ => "Bridge",
    };
    ["Topics", second, "Queues", "Workers", "Dead"]
}

/// Where each box is, in the middle of the height that its column has.
fn corners(flow: &Flow) -> (Vec<(f64, f64)>, f64) {
    let many = |wanted: usize| flow.places.iter().filter(|place| column(place.stage) == wanted).count();
    let most = (0..COLUMNS).map(many).max().unwrap_or(1).max(1);
    let height = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX)) * STEP.1;
    let mut seen = [0_usize; COLUMNS];
    let corner = |place: &Place| {
        let at = column(place.stage);
        let top = (height(most) - height(many(at))) / 2.0 + height(seen[at]);
        seen[at] += 1;
        (f64::from(u32::try_from(at).unwrap_or_default()) * STEP.0 + 1.0, top + 25.0)
    };
    (flow.places.iter().map(corner).collect(), height(most) + 25.0)
}

fn picture(view: &View, flow: &Flow) -> Markup {
    let (corners, height) = corners(flow);
    let width = STEP.0 * 4.0 + BOX.0 + 2.0;
    html! {
        svg.picture viewBox=(format!("0 0 {width} {height}")) aria-hidden="true" focusable="false" {
            @for (at, name) in (0_u32..).zip(headings(flow)) {
                text.stage x=(f64::from(at) * STEP.0 + 1.0) y="13" { (name) }
            }
            @for arrow in &flow.arrows { (line(arrow, &corners)) }
            @for (place, corner) in flow.places.iter().zip(&corners) { (place_box(view, place, *corner)) }
            @for arrow in &flow.arrows { (label(arrow, flow, &corners)) }
        }
    }
}

/// From the right side of one box to the left side of the other.
fn ends(arrow: &Arrow, corners: &[(f64, f64)]) -> Option<[f64; 4]> {
    let ((from_x, from_y), (to_x, to_y)) = (corners.get(arrow.from)?, corners.get(arrow.to)?);
    Some([from_x + BOX.0, from_y + BOX.1 / 2.0, *to_x, to_y + BOX.1 / 2.0])
}

fn line(arrow: &Arrow, corners: &[(f64, f64)]) -> Markup {
    let Some([x1, y1, x2, y2]) = ends(arrow, corners) else { return html! {} };
    let middle = f64::midpoint(x1, x2);
    let goes = arrow.rate.is_some_and(|rate| rate > 0.0);
    html! {
        path class=(if goes { "arrow goes" } else { "arrow" }) d=(format!("M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}")) {}
        path.head d=(format!("M{} {}l6 4l-6 4z", x2 - 6.0, y2 - 4.0)) {}
    }
}

/// What goes along a line, at the end at which the line is by itself.
fn label(arrow: &Arrow, flow: &Flow, corners: &[(f64, f64)]) -> Markup {
    let (Some([x1, y1, x2, y2]), Some(now)) = (ends(arrow, corners), arrow.rate) else { return html! {} };
    let is_alone = flow.arrows.iter().filter(|other| other.from == arrow.from && other.rate.is_some()).count() == 1;
    let (x, y, anchor) = if is_alone { (x1 + 6.0, y1 - 6.0, "start") } else { (x2 - 10.0, y2 - 6.0, "end") };
    html! { text.rate x=(x) y=(y) text-anchor=(anchor) { (rate(now)) } }
}

fn place_box(view: &View, place: &Place, (x, y): (f64, f64)) -> Markup {
    let short = |text: &str| match text.chars().count() {
        count if count > LETTERS => text.chars().take(LETTERS - 1).chain(['…']).collect(),
        _ => text.to_owned(),
    };
    html! {
        a href=(link(view, place)) tabindex="-1" {
            title { (place.name) ": " (place.words) }
            rect class=(format!("place {}", tone(place.health))) x=(x) y=(y) width=(BOX.0) height=(BOX.1) rx="8" {}
            text.name x=(x + 10.0) y=(y + 20.0) { (short(&place.name)) }
            text class=(format!("words {}", tone(place.health))) x=(x + 10.0) y=(y + 38.0) { (short(&place.words)) }
        }
    }
}

fn list(view: &View, flow: &Flow) -> Markup {
    html! {
        ol.stages {
            @for (stage, name) in STAGES {
                @let places = || flow.places.iter().enumerate().filter(move |(_, place)| place.stage == stage);
                @if places().next().is_some() {
                    li {
                        h3 { (name) }
                        ul { @for (at, place) in places() {
                            li {
                                a href=(link(view, place)) { (place.name) } " "
                                span class=(format!("tag {}", tone(place.health))) { (word(place.health)) }
                                " " (place.words)
                                (goes_to(flow, at))
                            }
                        } }
                    }
                }
            }
        }
    }
}

/// What goes on from a box, in words.
fn goes_to(flow: &Flow, at: usize) -> Markup {
    let goes = flow.arrows.iter().filter(|arrow| arrow.from == at);
    html! {
        @for arrow in goes { @if let (Some(now), Some(to)) = (arrow.rate, flow.places.get(arrow.to)) {
            "; " (rate(now)) " to " (to.name)
        } }
    }
}
