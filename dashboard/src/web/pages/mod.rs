//! The pages, a file each.

mod audit;
mod overview;
mod queues;
mod schedules;
mod tasks;
mod workers;

use std::sync::Arc;

use axum::Router;

use super::{Web, page::page};

pub(super) fn routes() -> Router<Arc<Web>> {
    Router::new()
        .route("/queues", page(queues::all))
        .route("/", page(overview::look))
        .route("/workers", page(workers::all))
        .route("/workers/{id}", page(workers::one))
        .route("/queues/{name}", page(queues::one))
        .route("/schedules", page(schedules::all))
        .route("/schedules/{name}", page(schedules::one))
        .route("/audit", page(audit::list))
        .route("/tasks", page(tasks::all))
        .route("/tasks/{id}", page(tasks::one))
}
