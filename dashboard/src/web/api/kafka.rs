//! Topics, their records, groups, and routes.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    routing::{get, post},
};
use serde_json::Value;

use super::{
    super::{Web, pages::tried_out, trouble::Trouble, view::View},
    Answer, answer,
};
use crate::see::{self, RecordChoice, SeeError};

pub(super) fn routes() -> Router<Arc<Web>> {
    Router::new()
        .route("/topics", get(topics))
        .route("/topics/{name}", get(topic))
        .route("/topics/{name}/records", get(records))
        .route("/topics/{name}/{partition}/{offset}", get(record))
        .route("/groups", get(groups))
        .route("/groups/{group}", get(group))
        .route("/routes", get(all_routes))
        .route("/routes/try", post(try_routes))
}

async fn topics(view: View) -> Answer {
    answer(see::topics(view.site()).await)
}

async fn topic(view: View) -> Answer {
    answer(see::topic(view.site(), view.param("name")).await)
}

async fn records(view: View) -> Answer {
    let found = async {
        let choice: RecordChoice = view.query()?;
        let mask = |of: &str, value: Value| view.masked(of, value);
        Ok::<_, Trouble>(see::records(view.site(), view.param("name"), &choice, &mask).await?)
    };
    answer(found.await)
}

async fn record(view: View) -> Answer {
    let found = async {
        let wrong = |_| SeeError::Missing("partition and offset are numbers".into());
        let (partition, offset) =
            (view.param("partition").parse().map_err(wrong)?, view.param("offset").parse().map_err(wrong)?);
        let mask = |of: &str, value: Value| view.masked(of, value);
        see::record(view.site(), view.param("name"), partition, offset, &mask).await
    };
    answer(found.await)
}

async fn groups(view: View) -> Answer {
    answer(see::groups(view.site()).await)
}

async fn group(view: View) -> Answer {
    let found = async { see::group(view.site(), see::reader(view.site(), view.param("group"))?).await };
    answer(found.await)
}

async fn all_routes(view: View) -> Answer {
    answer(Ok::<_, Trouble>(see::routes(view.site().tables())))
}

/// The body is an event, or some, as `millgate publish` takes them.
async fn try_routes(State(web): State<Arc<Web>>, body: String) -> Answer {
    answer(tried_out(&web, &body).map_err(Trouble::Misunderstood))
}
