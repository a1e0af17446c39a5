//! `millgate dashboard`.

mod hash_password;

use std::sync::Arc;

use super::{Call, Outcome};
use crate::{dashboard::Dashboard, health::Health, lifecycle::stop_on_signal};

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Read a password, and print what the configuration keeps of it
    HashPassword,
}

pub(super) async fn run(call: Call, args: Args) -> anyhow::Result<Outcome> {
    match args.command {
        None => serve(call).await,
        Some(Command::HashPassword) => hash_password::run(&call),
    }
}

async fn serve(call: Call) -> anyhow::Result<Outcome> {
    let stop = stop_on_signal()?;
    let servers = call.servers()?;
    let health = Arc::new(Health::new(&servers, stop.clone()));
    let dashboard = Dashboard::bind(&servers, health.clone(), servers.metrics(&["dashboard"], Vec::new())).await?;
    let reporting = servers.reporter(&["dashboard"], &stop).start(Some(health));
    let served = dashboard.serve(stop).await;
    reporting.end().await;
    served?;
    Ok(Outcome::Well)
}
