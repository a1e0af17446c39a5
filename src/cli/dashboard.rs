//! `millgate dashboard`.

mod hash_password;

use std::net::SocketAddr;

use anyhow::Context;
use millgate_dashboard::{access::Access, web};
use tokio::net::TcpListener;
use tracing::info;

use super::{Call, Outcome};
use crate::lifecycle::stop_on_signal;

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
    let config = &servers.config.dashboard;
    let access = Access::open(config)?;
    let bound = TcpListener::bind(&config.listen).await;
    let advice = "set dashboard.listen (MILLGATE_DASHBOARD_LISTEN) to a free address";
    let listener = bound.with_context(|| format!("cannot listen at {}; {advice}", config.listen))?;
    info!("dashboard at http://{}{}/", listener.local_addr()?, config.path);
    let router = access.protect(web::router(servers.site(), config));
    // Pages that are open stream for as long as they are: they are not waited for.
    tokio::select! {
        served = axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()) => served?,
        () = stop.cancelled() => {}
    }
    Ok(Outcome::Well)
}
