//! Where the dashboard is served.

use std::{io, net::SocketAddr, sync::Arc};

use anyhow::Context;
use axum::Router;
use millgate_dashboard::{DashboardConfig, web};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{health::Health, http, metrics::Metrics, servers::Servers};

/// The dashboard, on its port.
pub(crate) struct Dashboard {
    listener: TcpListener,
    address: SocketAddr,
    path: String,
    router: Router,
}

impl Dashboard {
    /// Takes the port. Metrics and health are there, too, as with every role: open, and at the root even where all else is
    /// under a path, so that a proxy which knows only that path shows them to nobody.
    pub(crate) async fn bind(servers: &Servers, health: Arc<Health>, metrics: Metrics) -> anyhow::Result<Self> {
        let config = &servers.config.dashboard;
        let bound = TcpListener::bind(&config.listen).await;
        // Whoever chose no port takes any.
        let bound = match bound {
            Err(error)
                if error.kind() == io::ErrorKind::AddrInUse && config.listen == DashboardConfig::default().listen =>
            {
                TcpListener::bind("127.0.0.1:0").await
            }
            bound => bound,
        };
        let advice = "set dashboard.listen (MILLGATE_DASHBOARD_LISTEN) to a free address";
        let listener = bound.with_context(|| format!("cannot listen at {}; {advice}", config.listen))?;
        let router = web::router(servers.site(), config).merge(http::router(health, metrics));
        Ok(Self { address: listener.local_addr()?, listener, path: config.path.clone(), router })
    }

    /// Its address for a browser.
    pub(crate) fn url(&self) -> String {
        format!("http://{}{}/", self.address, self.path.trim_end_matches('/'))
    }

    /// Serves it until `stop` fires. Pages that are open stream for as long as they are: they are not waited for.
    pub(crate) async fn serve(self, stop: CancellationToken) -> anyhow::Result<()> {
        info!("dashboard at {}", self.url());
        tokio::select! {
            served = axum::serve(self.listener, self.router) => served?,
            () = stop.cancelled() => {}
        }
        Ok(())
    }
}
