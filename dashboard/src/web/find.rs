//! From any id to its page.

use std::sync::Arc;

use axum::{
    Router,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use serde::Deserialize;

use super::{Web, address::encoded, trouble::Trouble, view::View};
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
        [(queue, job)] => format!("/jobs/{}/{}", encoded(queue), encoded(job.key.as_str())),
        // None, or several of one event: its life has them all.
        _ => format!("/events/find?id={}", encoded(id)),
    };
    Ok(Redirect::to(&view.link(&path)).into_response())
}
