//! The API: what the pages show and do, as JSON.

mod audit_log;
mod endpoint;
mod events;
mod jobs;
mod kafka;
mod letters;
mod sagas;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Query, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Serialize;
use serde_json::{Value, json};

use self::endpoint::Endpoint;
use super::{Web, actions::actor, spans, trouble::Trouble, view::View};
use crate::{
    act::{self, Action, Entry, Via, Work},
    see::{self, QueueDetail},
};

/// What a page's address says of a time.
const SPAN: &[(&str, &str)] = &[("span", "hour, day or week")];

fn endpoints() -> Vec<Endpoint> {
    let own = vec![
        Endpoint::get(
            "/overview",
            get(overview),
            "The flow, what is wrong now, figures, and the last hour, day or week",
        )
        .query(SPAN),
        Endpoint::get("/queues", get(queues), "All queues, with counts and limits"),
        Endpoint::get("/queues/{name}", get(queue), "A queue, with its history, workers and kinds").query(SPAN),
        Endpoint::get("/queues/{name}/history", get(history), "What happened in a queue").query(SPAN),
        Endpoint::get("/jobs", get(jobs::list), "Jobs that match, and where to go on").query(jobs::QUERY),
        Endpoint::get("/jobs/{queue}/{id}", get(jobs::one), "A job, and why it is not running"),
        Endpoint::get("/events/{id}", get(events::life), "An event's whole life").query(events::QUERY),
        Endpoint::get("/workers", get(workers), "Processes of all roles"),
        Endpoint::get("/workers/{id}", get(worker), "A process"),
        Endpoint::get("/schedules", get(schedules), "All schedules"),
        Endpoint::get("/schedules/{name}", get(schedule), "A schedule, its next ticks and its last jobs"),
        Endpoint::get("/actions", get(entries), "What operators did, the newest first")
            .query(&[("before", "the id of the last entry that is known")])
            .and(
                Endpoint::post(
                    "/actions",
                    post(perform),
                    "Does something",
                    json!({ "do": "pause-queue", "queue": "email" }),
                )
                .query(&[("dry_run", "true: only say what would be done, and to how many")]),
            ),
        Endpoint::post("/actions/undo", post(undo), "Undoes an entry", json!({ "entry": "1795311840153-0" })),
        Endpoint::get("/openapi.json", get(openapi), "This"),
    ];
    let own = own.into_iter().chain(kafka::endpoints()).chain(letters::endpoints());
    own.chain(sagas::endpoints()).chain(audit_log::endpoints()).collect()
}

pub(super) fn routes() -> Router<Arc<Web>> {
    endpoint::router(endpoints())
}

async fn openapi(State(web): State<Arc<Web>>) -> Json<Value> {
    let mut document = endpoint::document(&endpoints(), &web.base);
    document["paths"]["/actions"]["post"]["description"] = format!("`do` is one of: {}.", endpoint::actions()).into();
    Json(document)
}

/// What was found as JSON, or why nothing was.
type Answer = Result<Response, Refusal>;

/// Why there is no answer, as JSON.
struct Refusal(Trouble);

impl<E: Into<Trouble>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.0.as_json()
    }
}

fn answer<T: Serialize, E: Into<Trouble>>(found: Result<T, E>) -> Answer {
    Ok(Json(found?).into_response())
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
    let span = spans::asked(&view)?;
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

#[derive(serde::Deserialize)]
struct Before {
    before: Option<String>,
}

/// What undoes an entry is left out: it may hold whole jobs, with what nobody is shown.
async fn entries(State(web): State<Arc<Web>>, Query(Before { before }): Query<Before>) -> Answer {
    let entries = act::entries(&web.site, before.as_deref(), 100).await?;
    let shown = entries.into_iter().map(|entry| {
        let can_be_undone = entry.undo.is_some() && entry.undone_by.is_none();
        let mut value = serde_json::to_value(Entry { undo: None, ..entry }).unwrap_or_default();
        value["can_be_undone"] = can_be_undone.into();
        value
    });
    answer::<_, Trouble>(Ok(shown.collect::<Vec<_>>()))
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
