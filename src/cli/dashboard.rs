//! `millgate dashboard`.

use std::sync::Arc;

use super::{Call, Outcome};
use crate::{dashboard::Dashboard, health::Health, lifecycle::stop_on_signal};

#[derive(clap::Args)]
pub(super) struct Args {}

pub(super) async fn run(call: Call, Args {}: Args) -> anyhow::Result<Outcome> {
    let stop = stop_on_signal()?;
    let servers = call.servers()?;
    let health = Arc::new(Health::new(&servers, stop.clone()));
    let dashboard = Dashboard::bind(&servers, health.clone(), servers.metrics(Vec::new())).await?;
    let reporting = servers.reporter(&["dashboard"], &stop).start(Some(health));
    let served = dashboard.serve(stop).await;
    reporting.end().await;
    served?;
    Ok(Outcome::Well)
}
