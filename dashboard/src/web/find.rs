//! From any id to its page.

use std::sync::Arc;

use axum::{
    Router,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use serde::Deserialize;

use super::{Web, path::part, trouble::Trouble, view::View};
use crate::see;

pub(super) fn routes() -> Router<Arc<Web>> {
    Router::new().route("/find", get(find))
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    id: String,
}

/// A job of that id in any queue; else an event is looked for.
async fn find(view: View) -> Result<Response, Trouble> {
    let Asked { id } = view.query()?;
    let id = id.trim();
    if id.is_empty() {
        return Ok(Redirect::to(&view.link("/jobs")).into_response());
    }
    let found = see::candidates(view.site(), &view.site().queue_names, id).await?;
    let path = match &found[..] {
        [] => format!("/events/find?id={}", part(id)),
        [(queue, job)] => format!("/jobs/{}/{}", part(queue), part(job.key.as_str())),
        // One event makes several jobs.
        _ => format!("/jobs?where={}", part(&format!("id={id}"))),
    };
    Ok(Redirect::to(&view.link(&path)).into_response())
}
