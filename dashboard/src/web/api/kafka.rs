//! Topics, their records, groups, and routes.

use std::sync::Arc;

use axum::{
    extract::State,
    routing::{get, post},
};
use serde_json::{Value, json};

use super::{
    super::{Web, pages::tried_out, trouble::Trouble, view::View},
    Answer, answer,
    endpoint::Endpoint,
};
use crate::see::{self, RecordChoice, SeeError};

pub(super) fn endpoints() -> Vec<Endpoint> {
    let example = json!({ "type": "order.created", "data": { "order_id": "order-17" } });
    vec![
        Endpoint::get("/topics", get(topics), "Topics: the application's own, those of dead letters, others"),
        Endpoint::get("/topics/{name}", get(topic), "A topic: partitions, settings, how far groups are"),
        Endpoint::get("/topics/{name}/records", get(records), "Some records of a partition").query(&[
            ("partition", "a number; 0 if not said"),
            ("at", "the first offset"),
            ("before", "records before this offset"),
            ("since", "a time, or how long ago"),
            ("key", "only records of this key"),
        ]),
        Endpoint::get("/topics/{name}/{partition}/{offset}", get(record), "A record, and what routes make of it"),
        Endpoint::get("/groups", get(groups), "Consumer groups of the application, with their lag"),
        Endpoint::get("/groups/{group}", get(group), "A group: members, partitions, watermarks"),
        Endpoint::get("/routes", get(all_routes), "What becomes of which event"),
        Endpoint::post("/routes/try", post(try_routes), "What would become of an event", example),
    ]
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
    let found = async { see::group_named(view.site(), view.param("group")).await };
    answer(found.await)
}

async fn all_routes(view: View) -> Answer {
    answer(Ok::<_, Trouble>(see::routes(view.site().tables())))
}

/// The body is an event, or some, as `millgate publish` takes them.
async fn try_routes(State(web): State<Arc<Web>>, body: String) -> Answer {
    answer(tried_out(&web, &body).map_err(Trouble::Misunderstood))
}
