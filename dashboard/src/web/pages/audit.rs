//! What operators did.

use maud::html;

use super::super::{form, moment::time, page::Page, trouble::Trouble, view::View};
use crate::act::{self, Via};

/// Entries on a page.
const MOST: usize = 100;

#[derive(serde::Deserialize)]
struct Query {
    before: Option<String>,
}

/// What was done, the newest first.
pub(super) async fn list(view: View) -> Result<Page, Trouble> {
    let Query { before } = view.query()?;
    let entries = act::entries(view.site(), before.as_deref(), MOST).await?;
    let main = html! {
        h1 { "Audit" }
        @if entries.is_empty() {
            p.empty { "Nobody has done anything yet. What is done here, by the API or on the command line, stands here with who did it." }
        } @else {
            table.rows {
                thead { tr { th { "When" } th { "Who" } th { "By way of" } th { "What" } th { "What came of it" } th { span.unseen { "Actions" } } } }
                tbody {
                    @for entry in &entries {
                        tr id=(format!("entry-{}", entry.id)) {
                            td { (time(entry.at)) }
                            td { (entry.who) }
                            td { (match entry.via { Via::Page => "page", Via::Api => "API", Via::CommandLine => "command line" }) }
                            td { (entry.action.sentence()) @if entry.undoes.is_some() { " " span.tag { "undo" } } }
                            td { (entry.text) }
                            td.acts {
                                @if let Some(who) = &entry.undone_by { "undone by " (who) }
                                @else if entry.undo.is_some() { (form::undo(&view, &entry.id)) }
                            }
                        }
                    }
                }
            }
            @if let Some(last) = entries.last().filter(|_| entries.len() == MOST) {
                p { a.button href=(view.link(&format!("/audit?before={}", last.id))) { "Older" } }
            }
        }
    };
    Ok(Page::new("Audit", "audit", main))
}
