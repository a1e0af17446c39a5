//! The pages, a file each.

mod audit;
mod queues;
mod tasks;

use std::sync::Arc;

use axum::Router;

use super::{Web, page::page};

pub(super) fn routes() -> Router<Arc<Web>> {
    Router::new()
        .route("/queues", page(queues::all))
        .route("/audit", page(audit::list))
        .route("/tasks", page(tasks::all))
        .route("/tasks/{id}", page(tasks::one))
}
