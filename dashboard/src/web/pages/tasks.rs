//! Actions in the background.

use maud::{Markup, html};

use super::super::{
    chart, form,
    moment::{number, time},
    page::Page,
    tasks::TaskView,
    trouble::Trouble,
    view::View,
};

/// All of them.
pub(super) async fn all(view: View) -> Result<Page, Trouble> {
    let tasks = view.tasks().list();
    let main = html! {
        h1 { "In the background" }
        @if tasks.is_empty() {
            p.empty { "Nothing runs here. What is done to many jobs or letters at once does, and stands here with how far it is." }
        } @else {
            table.rows {
                thead { tr { th { "What" } th { "Who" } th { "Since" } th { "How far" } } }
                tbody { @for task in &tasks {
                    tr id=(format!("task-{}", task.id)) {
                        td { a href=(view.link(&format!("/tasks/{}", task.id))) { (task.action.sentence()) } }
                        td { (task.who) } td { (time(task.since)) } td { (how_far(task)) }
                    }
                } }
            }
        }
    };
    Ok(Page::new("In the background", "audit", main))
}

/// One of them.
pub(super) async fn one(view: View) -> Result<Page, Trouble> {
    let id = view.param("id").parse().ok();
    let task = id.and_then(|id| view.tasks().get(id));
    let task = task.ok_or_else(|| {
        Trouble::NotFound(
            "this ended long ago, or the dashboard was started anew since; the audit has what was done".into(),
        )
    })?;
    let main = html! {
        p.crumbs { a href=(view.link("/tasks")) { "In the background" } }
        h1 { (task.action.sentence()) }
        div.card {
            dl.facts {
                dt { "Begun by" } dd { (task.who) ", " (time(task.since)) }
                dt { "How far" } dd #how-far { (how_far(&task)) }
                @if let Some(performed) = &task.performed {
                    dt { "What came of it" } dd { (performed.text) @for refused in &performed.refused { br; (refused) } }
                }
                @if let Some(error) = &task.error { dt { "What went wrong" } dd { (error) } }
            }
            @if task.performed.is_none() && task.error.is_none() && !task.stopping {
                (form::stop(&view, &task))
            }
            @if let Some(performed) = task.performed.as_ref().filter(|performed| performed.undo.is_some()) {
                (form::undo(&view, &performed.id))
            }
        }
    };
    Ok(Page::new("In the background", "audit", main))
}

#[expect(clippy::cast_precision_loss, reason = "a bar has a hundred steps")]
fn how_far(task: &TaskView) -> Markup {
    let words = match (task.performed.is_some(), &task.error, task.total) {
        (true, ..) => format!("ended: {} of {}", number(task.done), number(task.total)),
        (_, Some(_), _) => format!("cut off at {} of {}", number(task.done), number(task.total)),
        (.., 0) => "beginning".to_owned(),
        (.., total) if task.stopping => format!("stopping at {} of {}", number(task.done), number(total)),
        (.., total) => format!("{} of {}", number(task.done), number(total)),
    };
    chart::bar(&words, task.done as f64 / task.total.max(1) as f64)
}
