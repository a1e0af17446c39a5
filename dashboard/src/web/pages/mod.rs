//! The pages, a file each.

mod audit;
mod audit_log;
mod dead;
pub(super) mod events;
mod groups;
mod job;
mod jobs;
mod overview;
mod queues;
mod routes;
mod sagas;
mod schedules;
mod tasks;
mod topics;
mod workers;

use std::sync::Arc;

use axum::Router;

pub(super) use routes::tried_out;

use super::{Web, page::page};

pub(super) fn routes() -> Router<Arc<Web>> {
    Router::new()
        .route("/jobs", page(jobs::list))
        .route("/jobs/{queue}/{id}", page(job::one))
        .route("/queues", page(queues::all))
        .route("/events", page(events::recent))
        .route("/events/{id}", page(events::life))
        .route("/", page(overview::look))
        .route("/workers", page(workers::all))
        .route("/workers/{id}", page(workers::one))
        .route("/queues/{name}", page(queues::one))
        .route("/schedules", page(schedules::all))
        .route("/schedules/{name}", page(schedules::one))
        .route("/sagas", page(sagas::all))
        .route("/sagas/{id}", page(sagas::one))
        .route("/audit", page(audit::list))
        .route("/tasks", page(tasks::all))
        .route("/tasks/{id}", page(tasks::one))
        .merge(audit_log::routes())
        .merge(dead::routes())
        .merge(topics::routes())
        .route("/groups", page(groups::all))
        .route("/groups/{group}", page(groups::one))
        .merge(routes::routes())
}
