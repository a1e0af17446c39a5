//! Over which time a page shows what happened: `?span=hour`, `day` or `week`.

use maud::{Markup, html};
use millgate_jobs::Span;

use super::{trouble::Trouble, view::View};

/// Each with its name in addresses, and on pages.
const SPANS: [(Span, &str, &str); 3] =
    [(Span::Hour, "hour", "Last hour"), (Span::Day, "day", "Last day"), (Span::Week, "week", "Last week")];

#[derive(serde::Deserialize)]
struct Query {
    span: Option<String>,
}

/// What the address asks for; the last hour if it does not say.
pub(crate) fn asked(view: &View) -> Result<Span, Trouble> {
    let Query { span } = view.query()?;
    let Some(word) = span else { return Ok(Span::Hour) };
    let found = SPANS.iter().find(|(_, known, _)| *known == word).map(|(span, ..)| *span);
    found.ok_or_else(|| Trouble::Misunderstood(format!("`{word}` is no span; there are hour, day and week")))
}

/// Links to the others.
pub(crate) fn choice(view: &View, now: Span) -> Markup {
    html! {
        nav.spans aria-label="Time shown" {
            @for (span, word, name) in SPANS {
                a.button href=(view.link_with(view.uri.path(), &[("span", word)])) aria-current=[(span == now).then_some("true")] { (name) }
            }
        }
    }
}

/// How the beginning of a chart of that span is called.
pub(crate) fn beginning(span: Span) -> &'static str {
    match span {
        Span::Hour => "an hour ago",
        Span::Day => "a day ago",
        Span::Week => "a week ago",
    }
}
