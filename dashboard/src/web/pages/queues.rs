//! Queues.

use std::time::Duration;

use maud::html;

use super::super::{
    form,
    moment::{number, span},
    page::Page,
    trouble::Trouble,
    view::View,
};
use crate::{act::Action, see};

/// All queues.
pub(super) async fn all(view: View) -> Result<Page, Trouble> {
    let queues = see::queues(view.site()).await?;
    let main = html! {
        h1 { "Queues" }
        table.rows {
            thead { tr {
                th { "Queue" } th.n { "Waiting" } th.n { "Oldest" } th.n { "Delayed" } th.n { "Held" } th.n { "Active" } th.n { "Dead" } th { span.unseen { "Actions" } }
            } }
            tbody {
                @for queue in &queues {
                    @let stats = &queue.stats;
                    tr id=(format!("queue-{}", queue.name)) {
                        th scope="row" {
                            a href=(view.link(&format!("/queues/{}", queue.name))) { (queue.name) }
                            @if stats.paused { " " span.tag.warn { "paused" } }
                            @if stats.draining { " " span.tag.warn { "draining" } }
                        }
                        td.n { (number(stats.waiting)) }
                        td.n { @if let Some(age) = queue.oldest_age_seconds { (span(Duration::from_secs(age))) } }
                        td.n { (number(stats.delayed)) }
                        td.n { (number(stats.held)) }
                        td.n { (number(stats.active)) }
                        td.n { (number(stats.unburied)) }
                        td.acts {
                            @let name = || queue.name.clone();
                            @if stats.paused || stats.draining {
                                (form::button(&view, &Action::ResumeQueue { queue: name() }, "Resume"))
                            } @else {
                                (form::button(&view, &Action::PauseQueue { queue: name() }, "Pause"))
                                (form::button(&view, &Action::DrainQueue { queue: name() }, "Drain"))
                            }
                        }
                    }
                }
            }
        }
    };
    Ok(Page::new("Queues", "queues", main))
}
