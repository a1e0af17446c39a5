//! Letters that died of the same.

use std::time::Duration;

use maud::{Markup, html};
use millgate_events::{LetterFilter, StoredLetter, Trend};
use millgate_jobs::Rate;

use super::{
    super::super::{
        address::encoded,
        chart, form,
        moment::{number, time},
        page::Page,
        trouble::Trouble,
        view::View,
    },
    export, in_words, name, pairs, query, values,
};
use crate::{
    act::{Action, Redriving},
    see::{self, CauseView, LetterChoice, LetterPage, what_died},
};

pub(super) async fn one(view: View) -> Result<Page, Trouble> {
    let choice = LetterChoice { fingerprint: Some(view.param("fingerprint").to_owned()), ..view.query()? };
    let (found, page) = tokio::try_join!(see::cause(view.site(), &choice), see::letters(view.site(), &choice))?;
    let Some(CauseView { cause, shared }) = found else {
        let main = html! {
            p.crumbs { a href=(view.link("/dead")) { "Dead letters" } }
            h1 { "Nothing is dead of this any more" }
            p.empty { "All letters of " code { (view.param("fingerprint")) } " were dealt with. "
                a href=(view.link(&format!("/dead/export?status=all&fingerprint={}", encoded(view.param("fingerprint"))))) { "See what became of them" } "." }
        };
        return Ok(Page::new("Dead letters", "dead", main));
    };
    let trend = choice.trend.map_or(Trend::Day, |trend| trend.0);
    let (begin, end) = if trend == Trend::Day { ("24 hours ago", "now") } else { ("7 days ago", "now") };
    let line = chart::Line { name: "deaths", tone: "dead", values: &values(&cause) };
    let main = html! {
        p.crumbs { a href=(view.link("/dead")) { "Dead letters" } }
        h1 { (cause.code) }
        pre { (cause.message) }
        div.grid {
            div.card {
                dl.facts {
                    dt { "Letters" } dd #letters { (number(cause.letters.unsigned_abs())) }
                    dt { "First" } dd { (time(cause.oldest)) }
                    dt { "Last" } dd { (time(cause.newest)) }
                    dt { "Fingerprint" } dd { code { (cause.fingerprint) } }
                    dt { "What" } dd { (cause.what.join(", ")) }
                    @for (name, value) in shared.iter().filter(|(name, _)| *name != "message") {
                        dt { "All have " (name) } dd { (value) }
                    }
                }
            }
            div.card {
                h2 { (name(trend)) }
                (chart::lines(&in_words(&cause, trend), "", (begin, end), &[line]))
            }
        }
        (acts(&view, &choice, &cause.queues))
        (table(&view, &choice, &cause.queues, &page))
    };
    Ok(Page::new(format!("Dead letters: {}", cause.code), "dead", main))
}

/// Those of one cause, and of one queue where all are: who has rights there may act.
fn filter(choice: &LetterChoice, queues: &[String]) -> LetterFilter {
    let only = queues.first().filter(|_| queues.len() == 1).cloned();
    LetterFilter {
        fingerprint: choice.fingerprint.clone(),
        queue: choice.queue.clone().or(only),
        ..LetterFilter::default()
    }
}

fn acts(view: &View, choice: &LetterChoice, queues: &[String]) -> Markup {
    let letters = filter(choice, queues);
    html! {
        div.grid {
            div.card #redrive data-keep {
                h2 { "Redrive all of them" }
                p.faint { "Jobs go into their queues, events through their routes, each once. It is tried out first, and changes nothing until you say yes." }
                (redrive(view, letters.clone(), &html! {}, "Try out, then redrive"))
            }
            div.card #discard data-keep {
                h2 { "Discard all of them" }
                p.faint { "They are kept with who and why, and are no longer counted. It can be undone." }
                (discard(view, letters, &html! {}, "Discard"))
            }
        }
    }
}

/// Redrives these; `more` goes into the form.
pub(super) fn redrive(view: &View, letters: LetterFilter, more: &Markup, name: &str) -> Markup {
    let rate = Some(Rate { jobs: 50, per: Duration::from_secs(1) });
    let action = Action::RedriveLetters(Redriving { letters, rate, ..Redriving::default() });
    let fields = html! {
        (more)
        span.filters {
            label { "Why" input name="/why" required placeholder="the handler is corrected"; }
            label { "Letters a second, at most" input name="/rate/jobs" type="number" min="1" max="100000" value="50" required; }
            label { "Leave alone what came back" input name="/max_redrives" type="number" min="1" max="1000" value="3" required; }
        }
    };
    form::form(view, &action, &fields, name)
}

/// Discards these; `more` goes into the form.
pub(super) fn discard(view: &View, letters: LetterFilter, more: &Markup, name: &str) -> Markup {
    let action = Action::DiscardLetters { letters, why: String::new() };
    let fields =
        html! { (more) span.filters { label { "Why" input name="/why" required placeholder="test orders"; } } };
    form::form(view, &action, &fields, name)
}

fn table(view: &View, choice: &LetterChoice, queues: &[String], page: &LetterPage) -> Markup {
    html! {
        h2 { "Letters" }
        div.bulk data-with-chosen hidden {
            span { span data-chosen { "0" } " chosen:" }
            // The script fills in which.
            @let ids = html! { input type="hidden" name="/letters/ids" data-ids; };
            (redrive(view, filter(choice, queues), &ids, "Redrive these"))
            (discard(view, filter(choice, queues), &ids, "Discard these"))
        }
        div.scroll tabindex="0" {
            table.rows {
                thead { tr {
                    th scope="col" { input type="checkbox" data-all aria-label="Choose all on this page"; }
                    th scope="col" { "Died" } th scope="col" { "What" } th scope="col" { "State" } th scope="col" { "Message" }
                    th.n scope="col" { "Attempts" } th.n scope="col" { "Redrives" }
                } }
                tbody { @for letter in &page.letters { (row(view, letter)) } }
            }
        }
        p {
            @if let Some(last) = page.more_after {
                @let further: Vec<_> = pairs(choice).into_iter().filter(|(name, _)| *name != "fingerprint").chain([("after", last.to_string())]).collect();
                a.button #older href=(view.link(&format!("/dead/{}{}", encoded(choice.fingerprint.as_deref().unwrap_or_default()), query(&further)))) { "Further" } " "
            }
            a.button href=(view.link(&export::address(choice, "csv"))) { "As CSV" } " "
            a.button href=(view.link(&export::address(choice, "json"))) { "As JSON" }
        }
    }
}

fn row(view: &View, letter: &StoredLetter) -> Markup {
    html! {
        tr id=(format!("letter-{}", letter.id)) {
            td { input type="checkbox" name="id" value=(letter.id) aria-label=(format!("Choose {}", letter.id)); }
            td { a href=(view.link(&format!("/dead/letter/{}", letter.id))) { (time(letter.failed_at)) } }
            td { (what_died(letter)) }
            td { (super::letter::state(letter)) }
            td.long { (letter.message.lines().next().unwrap_or_default()) }
            td.n { (letter.attempts) }
            td.n { (letter.redrives) }
        }
    }
}
