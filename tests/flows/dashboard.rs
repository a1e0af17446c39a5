//! The dashboard as a role: it serves pages, says how it is, and is seen.

use millgate_testkit::wait_for;
use serde_json::Value;

use crate::{
    http::{get, wait_health},
    shop::{PATIENCE, Shop},
};

#[tokio::test(flavor = "multi_thread")]
async fn it_serves_pages_metrics_and_health_on_one_port_and_is_seen() {
    let mut shop = Shop::open("desk").await;
    shop.set("MILLGATE_DASHBOARD_LISTEN", "127.0.0.1:0");
    shop.set("MILLGATE_DASHBOARD_PATH", "/ops");
    let dashboard = shop.start(&["dashboard"]);
    let line = dashboard.wait_for_line("dashboard at http://", PATIENCE).await;
    let address = line.split("http://").nth(1).unwrap().trim().trim_end_matches("/ops/").to_owned();
    assert_eq!(get(&address, "/ops/").await.0, 307, "to the same without a slash");
    let (status, page) = get(&address, "/ops").await;
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("<h1>Overview</h1>") && page.contains("href=\"/ops/queues/email\""), "{page}");
    wait_health(&address, "/readyz", 200).await;
    assert_eq!((get(&address, "/healthz").await.0, get(&address, "/metrics").await.0), (200, 200));
    // Not below the path, which a proxy shows to others.
    assert_eq!(get(&address, "/ops/metrics").await.0, 404);

    let seen = wait_for("it is seen", PATIENCE, async || {
        let (_, text) = get(&address, "/ops/api/workers").await;
        let all: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        all.as_array().unwrap().iter().find(|process| process["roles"][0] == "dashboard").cloned()
    });
    assert_eq!(seen.await["pid"], dashboard.pid());
    dashboard.sigterm();
    assert_eq!(dashboard.wait_exit(PATIENCE).await.code(), Some(0));
}
