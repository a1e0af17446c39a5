//! The API: what the pages show and do, as JSON.

mod jobs;
mod kafka;
mod letters;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Query, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Serialize;

use super::{Web, actions::actor, trouble::Trouble, view::View};
use crate::{
    act::{self, Action, Via, Work},
    see,
};

pub(super) fn routes() -> Router<Arc<Web>> {
    Router::new()
        .route("/queues", get(queues))
        .route("/jobs", get(jobs::list))
        .route("/jobs/{queue}/{id}", get(jobs::one))
        .route("/actions", get(entries).post(perform))
        .route("/actions/undo", post(undo))
        .merge(kafka::routes())
        .merge(letters::routes())
}

type Answer = Result<Response, Response>;

/// What was found, or why nothing was.
fn answer<T: Serialize, E: Into<Trouble>>(found: Result<T, E>) -> Answer {
    match found {
        Ok(value) => Ok(Json(value).into_response()),
        Err(trouble) => Err(trouble.into().as_json()),
    }
}

async fn queues(State(web): State<Arc<Web>>) -> Answer {
    answer(see::queues(&web.site).await)
}

async fn entries(State(web): State<Arc<Web>>) -> Answer {
    answer(act::entries(&web.site, None, 100).await)
}

#[derive(serde::Deserialize)]
struct How {
    /// Only say what would be done.
    #[serde(default)]
    dry_run: bool,
}

/// `{"do": "pause-queue", "queue": "email"}`; with `?dry_run=true` it is only said what would be done, and to how many.
async fn perform(
    State(web): State<Arc<Web>>,
    view: View,
    Query(how): Query<How>,
    Json(action): Json<Action>,
) -> Answer {
    if how.dry_run {
        return answer(act::preview(&web.site, &actor(&view, Via::Api), &action).await);
    }
    let performed = act::perform(&web.site, &actor(&view, Via::Api), &action, &Work::new()).await;
    web.cache.clear();
    answer(performed)
}

#[derive(serde::Deserialize)]
struct Undo {
    entry: String,
}

async fn undo(State(web): State<Arc<Web>>, view: View, Json(Undo { entry }): Json<Undo>) -> Answer {
    let performed = act::undo(&web.site, &actor(&view, Via::Api), &entry).await;
    web.cache.clear();
    answer(performed)
}
