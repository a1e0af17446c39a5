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

use super::{Web, actions::actor, spans, trouble::Trouble, view::View};
use crate::{
    act::{self, Action, Via, Work},
    see::{self, QueueDetail},
};

pub(super) fn routes() -> Router<Arc<Web>> {
    Router::new()
        .route("/queues", get(queues))
        .route("/jobs", get(jobs::list))
        .route("/jobs/{queue}/{id}", get(jobs::one))
        .route("/overview", get(overview))
        .route("/queues/{name}", get(queue))
        .route("/queues/{name}/history", get(history))
        .route("/workers", get(workers))
        .route("/workers/{id}", get(worker))
        .route("/schedules", get(schedules))
        .route("/schedules/{name}", get(schedule))
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

async fn queue(view: View) -> Answer {
    answer(queue_of(&view).await)
}

async fn history(view: View) -> Answer {
    answer(queue_of(&view).await.map(|queue| queue.history))
}

/// The queue of the path.
async fn queue_of(view: &View) -> Result<QueueDetail, Trouble> {
    let name = view.param("name");
    let found = see::queue(view.site(), name, spans::asked(view)?).await?;
    found.ok_or_else(|| Trouble::NotFound(view.site().no_queue(name)))
}

async fn overview(view: View) -> Answer {
    let span = spans::asked(&view).map_err(|trouble| trouble.as_json())?;
    answer(see::overview(view.site(), span).await)
}

async fn workers(State(web): State<Arc<Web>>) -> Answer {
    answer(see::processes(&web.site).await)
}

async fn worker(view: View) -> Answer {
    let found = see::process(view.site(), view.param("id")).await.map_err(Trouble::from);
    answer(found.and_then(|process| process.ok_or_else(|| Trouble::no_process(view.param("id")))))
}

async fn schedules(State(web): State<Arc<Web>>) -> Answer {
    answer(see::schedules(&web.site).await)
}

async fn schedule(view: View) -> Answer {
    answer(see::schedule(view.site(), view.param("name")).await)
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
