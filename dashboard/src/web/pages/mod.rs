//! The pages, a file each.

mod audit;
mod queues;

use std::sync::Arc;

use axum::Router;

use super::{Web, page::page};

pub(super) fn routes() -> Router<Arc<Web>> {
    Router::new().route("/queues", page(queues::all)).route("/audit", page(audit::list))
}
