//! Forms that act.

use maud::{Markup, html};

use super::{tasks::TaskView, view::View};
use crate::{access::Role, act::Action};

/// A button that does something, or nothing where who looks may not. Afterwards the page is shown again.
pub(crate) fn button(view: &View, action: &Action, name: &str) -> Markup {
    form(view, action, &html! {}, name)
}

/// The same with fields of its own. A field whose name is a JSON pointer (`/limits/concurrency`) says what stands there in
/// the action; an empty one takes it out.
pub(crate) fn form(view: &View, action: &Action, fields: &Markup, name: &str) -> Markup {
    let (needs, queue) = action.needs();
    if !view.may(needs, queue) {
        return html! {};
    }
    let action = serde_json::to_string(action).unwrap_or_default();
    html! {
        form.act method="post" action=(view.link("/actions")) {
            input type="hidden" name="csrf" value=(view.csrf());
            input type="hidden" name="action" value=(action);
            input type="hidden" name="back" value=(view.here());
            (fields)
            button { (name) }
        }
    }
}

/// A button that undoes an entry of the audit.
pub(crate) fn undo(view: &View, entry: &str) -> Markup {
    if !view.may(Role::Viewer, None) {
        return html! {};
    }
    html! {
        form.act method="post" action=(view.link("/actions/undo")) {
            input type="hidden" name="csrf" value=(view.csrf());
            input type="hidden" name="entry" value=(entry);
            input type="hidden" name="back" value=(view.here());
            button { "Undo" }
        }
    }
}

/// A button that stops what is done in the background.
pub(super) fn stop(view: &View, task: &TaskView) -> Markup {
    let (needs, queue) = task.action.needs();
    if !view.may(needs, queue) {
        return html! {};
    }
    html! {
        form.act method="post" action=(view.link("/tasks/stop")) {
            input type="hidden" name="csrf" value=(view.csrf());
            input type="hidden" name="task" value=(task.id);
            button { "Stop" }
        }
    }
}
