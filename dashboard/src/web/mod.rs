//! The pages and the API.
//!
//! A page is a function from a `View` to a `Page`; `page` serves it as a document, and to the script of that
//! document as a stream of what it comes to every two seconds. Viewers of the same page share one look at the servers.

mod actions;
mod address;
mod api;
mod assets;
mod cache;
mod chart;
mod charts;
mod csv;
mod export;
mod find;
mod flow;
mod form;
mod graph;
mod layout;
mod live;
mod moment;
mod page;
mod pages;
mod spans;
mod tasks;
mod trouble;
mod view;

use std::sync::Arc;

use axum::{Router, extract::RawQuery, response::Redirect, routing::get};
use uuid::Uuid;

pub(crate) use assets::link as asset;

use crate::{
    DashboardConfig, Site,
    web::{cache::Cache, tasks::Tasks},
};

/// What every page has at hand.
pub(crate) struct Web {
    site: Site,
    /// The path that all of it is mounted under.
    base: String,
    cache: Cache,
    tasks: Tasks,
    /// Stands in a page where the token of who looks at it goes: pages are made once for all that see the same.
    csrf_mark: String,
}

/// Everything that is served, without who may see it.
pub fn router(site: Site, config: &DashboardConfig) -> Router {
    let base = config.path.trim_end_matches('/').to_owned();
    let csrf_mark = Uuid::new_v4().simple().to_string();
    let web = Arc::new(Web { site, base: base.clone(), cache: Cache::default(), tasks: Tasks::default(), csrf_mark });
    let routes = pages::routes()
        .merge(actions::routes())
        .merge(find::routes())
        .merge(export::routes())
        .nest("/api", api::routes())
        .merge(assets::routes());
    let routes = routes.fallback(trouble::no_such_page).with_state(web);
    if base.is_empty() {
        return routes;
    }
    // What is nested under a path is there without a slash at the end; people type one.
    let home = base.clone();
    let to_home = async move |RawQuery(query): RawQuery| {
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        Redirect::temporary(&format!("{home}{query}"))
    };
    Router::new().nest(&base, routes).route(&format!("{base}/"), get(to_home))
}
