//! `millgate dashboard`.

use anyhow::Context;
use millgate_dashboard::web;
use tokio::net::TcpListener;
use tracing::info;

use super::{Call, Outcome};
use crate::lifecycle::stop_on_signal;

#[derive(clap::Args)]
pub(super) struct Args {}

pub(super) async fn run(call: Call, Args {}: Args) -> anyhow::Result<Outcome> {
    let stop = stop_on_signal()?;
    let servers = call.servers()?;
    let config = &servers.config.dashboard;
    let bound = TcpListener::bind(&config.listen).await;
    let advice = "set dashboard.listen (MILLGATE_DASHBOARD_LISTEN) to a free address";
    let listener = bound.with_context(|| format!("cannot listen at {}; {advice}", config.listen))?;
    info!("dashboard at http://{}{}/", listener.local_addr()?, config.path);
    let reporting = servers.reporter(&["dashboard"], &stop).start(None);
    let router = web::router(servers.site(), config);
    // Pages that are open stream for as long as they are: they are not waited for.
    tokio::select! {
        served = axum::serve(listener, router) => served?,
        () = stop.cancelled() => {}
    }
    reporting.end().await;
    Ok(Outcome::Well)
}
