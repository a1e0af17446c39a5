//! What forms send: an action, asked about first where that is wise.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Form, State},
    response::{IntoResponse, Redirect, Response},
    routing::post,
};
use maud::html;
use serde_json::Value;

use super::{Web, cache::Rendered, layout, moment::number, trouble::Trouble, view::View};
use crate::act::{self, Action, Actor, Performed, Preview, Via, Work};

/// What is done to more than so many is done in the background.
const AT_ONCE: u64 = 500;

pub(super) fn routes() -> Router<Arc<Web>> {
    Router::new().route("/actions", post(perform)).route("/actions/undo", post(undo)).route("/tasks/stop", post(stop))
}

/// Fields in the order they came.
type Fields = Vec<(String, String)>;

fn field<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

async fn perform(State(web): State<Arc<Web>>, view: View, Form(fields): Form<Fields>) -> Result<Response, Trouble> {
    let action = action(&fields)?;
    let actor = actor(&view, Via::Page);
    let back = back(&view, &fields);
    let preview = act::preview(&web.site, &actor, &action).await?;
    if preview.asks && field(&fields, "sure").is_none() {
        return Ok(ask(&view, &action, &preview, &back).await);
    }
    if preview.count.is_some_and(|count| count > AT_ONCE) {
        let id = in_background(web, actor, action).await?;
        return Ok(Redirect::to(&view.link(&format!("/tasks/{id}"))).into_response());
    }
    let performed = act::perform(&web.site, &actor, &action, &Work::new()).await?;
    web.cache.clear();
    Ok(done(&back, &performed))
}

/// Does it after this request. Gives the task's number.
async fn in_background(web: Arc<Web>, actor: Actor, action: Action) -> Result<u64, Trouble> {
    let now = crate::see::now(&web.site).await?;
    let work = Work::new();
    let id = web.tasks.begin(&actor.viewer, action.clone(), now, work.clone());
    tokio::spawn(async move {
        let performed = act::perform(&web.site, &actor, &action, &work).await;
        web.tasks.end(id, performed.map_err(|error| error.to_string()));
        web.cache.clear();
    });
    Ok(id)
}

async fn stop(State(web): State<Arc<Web>>, view: View, Form(fields): Form<Fields>) -> Result<Response, Trouble> {
    let id: Option<u64> = field(&fields, "task").and_then(|id| id.parse().ok());
    let task = id.and_then(|id| web.tasks.get(id));
    let task = task.ok_or_else(|| Trouble::NotFound("there is nothing of that number in the background".into()))?;
    let (needs, queue) = task.action.needs();
    if !view.may(needs, queue) {
        return Err(Trouble::Forbidden(format!("{} may not stop that", view.viewer.name)));
    }
    web.tasks.stop(task.id);
    web.cache.clear();
    Ok(Redirect::to(&view.link(&format!("/tasks/{}", task.id))).into_response())
}

async fn undo(State(web): State<Arc<Web>>, view: View, Form(fields): Form<Fields>) -> Result<Response, Trouble> {
    let entry = field(&fields, "entry").unwrap_or_default();
    let performed = act::undo(&web.site, &actor(&view, Via::Page), entry).await?;
    web.cache.clear();
    Ok(done(&back(&view, &fields), &performed))
}

/// Who acts.
pub(super) fn actor(view: &View, via: Via) -> Actor {
    Actor { viewer: view.viewer.clone(), via }
}

/// The action that was sent, with what was filled in.
fn action(fields: &Fields) -> Result<Action, Trouble> {
    let wrong = |error: serde_json::Error| Trouble::Misunderstood(format!("the form does not say what to do: {error}"));
    let text = field(fields, "action").unwrap_or_default();
    let mut action: Value = serde_json::from_str(text).map_err(wrong)?;
    for (pointer, value) in fields.iter().filter(|(name, _)| name.starts_with('/')) {
        put(&mut action, pointer, value.trim());
    }
    serde_json::from_value(action).map_err(wrong)
}

/// Puts what was filled in where the pointer says: a text where one stands already, else a number if it is one; nothing takes
/// it out.
fn put(action: &mut Value, pointer: &str, value: &str) {
    let Some((parent, name)) = pointer.rsplit_once('/') else { return };
    let Some(parent) = action.pointer_mut(parent).and_then(Value::as_object_mut) else { return };
    match value {
        "" => _ = parent.remove(name),
        value if parent.get(name).is_some_and(Value::is_string) => _ = parent.insert(name.to_owned(), value.into()),
        value => _ = parent.insert(name.to_owned(), read(value)),
    }
}

/// A number, a list of what was chosen, or else a text.
fn read(value: &str) -> Value {
    let number = || value.parse::<u64>().ok().map(Value::from);
    let list = || serde_json::from_str::<Vec<String>>(value).ok().map(Value::from);
    number().or_else(list).unwrap_or_else(|| value.into())
}

/// Where to go afterwards: to a page of ours.
fn back(view: &View, fields: &Fields) -> String {
    let ours = |path: &&str| path.starts_with('/') && !path.starts_with("//") && !path.contains('\\');
    let back = field(fields, "back").filter(ours);
    back.map_or_else(|| view.link("/"), without_done)
}

/// A page's address without what was done before.
fn without_done(address: &str) -> String {
    let Some((path, query)) = address.split_once('?') else { return address.to_owned() };
    let rest: Vec<&str> = query.split('&').filter(|part| !part.starts_with("done=")).collect();
    if rest.is_empty() { path.to_owned() } else { format!("{path}?{}", rest.join("&")) }
}

fn done(back: &str, performed: &Performed) -> Response {
    let sign = if back.contains('?') { '&' } else { '?' };
    Redirect::to(&format!("{back}{sign}done={}", performed.id)).into_response()
}

async fn ask(view: &View, action: &Action, preview: &Preview, back: &str) -> Response {
    let json = serde_json::to_string(action).unwrap_or_default();
    let main = html! {
        h1 data-still { "Are you sure?" }
        p.ask { "You are about to " strong { (preview.text) } "." }
        @if let Some(count) = preview.count {
            p { "That is " @if preview.is_more { "at least " } strong #count { (number(count)) } " of them." }
        }
        @if let Some(outcome) = &preview.outcome { p.outcome { (outcome) "." } }
        @if let Some(warning) = &preview.warning { p { (warning) } }
        @if !preview.refused.is_empty() { ul { @for refused in &preview.refused { li { "Not done: " (refused) } } } }
        form.act method="post" action=(view.link("/actions")) {
            input type="hidden" name="csrf" value=(view.csrf());
            input type="hidden" name="action" value=(json);
            input type="hidden" name="back" value=(back);
            input type="hidden" name="sure" value="yes";
            button.danger autofocus { "Yes, " (preview.text) }
            a.button href=(back) { "No" }
        }
    };
    let page = Rendered { title: "Are you sure?".into(), section: "", main: main.into_string() };
    layout::document(view, &page).await.into_response()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_filled_in_goes_where_its_name_points() {
        let mut action = json!({ "do": "limit-queue", "why": "", "limits": { "rate": 1, "max_jobs": 5 } });
        put(&mut action, "/why", "42");
        put(&mut action, "/limits/concurrency", "7");
        put(&mut action, "/limits/max_jobs", "");
        put(&mut action, "/nowhere/at/all", "7");
        put(&mut action, "/limits/keep", "2h");
        assert_eq!(
            action,
            json!({ "do": "limit-queue", "why": "42", "limits": { "rate": 1, "concurrency": 7, "keep": "2h" } })
        );
    }

    #[test]
    fn one_comes_back_without_what_was_done_before() {
        assert_eq!(without_done("/queues?done=7-0&x=1"), "/queues?x=1");
        assert_eq!(without_done("/queues?done=7-0"), "/queues");
    }
}
