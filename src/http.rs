//! Where a role answers questions about itself.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use anyhow::Context;
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;
use tracing::{error, info, warn};

use crate::{
    config::HttpConfig,
    health::{Health, Report},
    metrics::Metrics,
};

/// Roles on one machine that nobody gave addresses take one of so many ports.
const PORTS: u16 = 10;

/// A server, until it is dropped.
pub(crate) struct HttpServer {
    /// Where it is.
    pub(crate) address: SocketAddr,
    _task: AbortOnDropHandle<()>,
}

impl HttpServer {
    /// Serves `/metrics`, `/healthz` and `/readyz`; `None` if it is to be nowhere.
    pub(crate) async fn start(
        config: &HttpConfig,
        health: Arc<Health>,
        metrics: Metrics,
    ) -> anyhow::Result<Option<Self>> {
        let Some(listener) = bind(config).await? else { return Ok(None) };
        let address = listener.local_addr()?;
        info!("metrics and health at http://{address}: /metrics, /healthz, /readyz");
        let router = router(health, metrics);
        let serving = async move {
            if let Err(error) = axum::serve(listener, router).await {
                error!(%error, "metrics and health are no longer served");
            }
        };
        Ok(Some(Self { address, _task: AbortOnDropHandle::new(tokio::spawn(serving)) }))
    }
}

/// Answers `/metrics`, `/healthz` and `/readyz`.
pub(crate) fn router(health: Arc<Health>, metrics: Metrics) -> Router {
    Router::new()
        .route("/metrics", get(scrape))
        .with_state(Arc::new(metrics))
        .route("/healthz", get(|State(health): State<Arc<Health>>| async move { answer(&health.alive()) }))
        .route("/readyz", get(|State(health): State<Arc<Health>>| async move { answer(&health.ready()) }))
        .with_state(health)
}

async fn bind(config: &HttpConfig) -> anyhow::Result<Option<TcpListener>> {
    if config.listen.is_empty() {
        return Ok(None);
    }
    if *config != HttpConfig::default() {
        let bound = TcpListener::bind(&config.listen).await;
        let advice = "set http.listen (MILLGATE_HTTP_LISTEN) to a free address, or to \"\" for none";
        return Ok(Some(bound.with_context(|| format!("cannot listen at {}; {advice}", config.listen))?));
    }
    let default: SocketAddr = config.listen.parse()?;
    for port in default.port()..default.port() + PORTS {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            Ok(listener) => return Ok(Some(listener)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error).context("cannot listen; set http.listen (MILLGATE_HTTP_LISTEN) to \"\""),
        }
    }
    warn!(
        "{PORTS} ports from {default} on are taken; no metrics and health here, unless http.listen names another one"
    );
    Ok(None)
}

async fn scrape(State(metrics): State<Arc<Metrics>>) -> Response {
    match metrics.text().await {
        Ok(text) => ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn answer(report: &Report) -> Response {
    let status = if report.ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let text = serde_json::to_string_pretty(report).unwrap_or_default();
    (status, [(CONTENT_TYPE, "application/json")], text + "\n").into_response()
}
