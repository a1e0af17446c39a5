//! By a proxy that has asked.

use millgate_dashboard::{
    DashboardConfig,
    access::Role,
    config::{Auth, GroupConfig},
};
use reqwest::Method;
use serde_json::json;

use crate::site::Site;

fn behind_a_proxy() -> DashboardConfig {
    let group =
        |role, queues: &[&str]| GroupConfig { role, queues: queues.iter().map(|&queue| queue.to_owned()).collect() };
    DashboardConfig {
        auth: Auth::Proxy,
        trusted_proxies: vec!["127.0.0.1".into()],
        groups: [("sre".into(), group(Role::Admin, &[])), ("mail".into(), group(Role::Operator, &["email"]))].into(),
        ..DashboardConfig::default()
    }
}

#[tokio::test]
async fn a_trusted_proxy_says_who_it_is() {
    let site = Site::start(behind_a_proxy()).await;
    let ann = site.visitor();
    let as_ann = |method, path: &str, groups: &str| {
        ann.request(method, path).header("X-Forwarded-User", "ann").header("X-Forwarded-Groups", groups)
    };
    let page = ann.send(as_ann(Method::GET, "/queues", "staff, mail")).await.json();
    assert_eq!(
        (&page["name"], &page["role"], &page["queues"]),
        (&json!("ann"), &json!("viewer"), &json!({ "email": "operator" }))
    );
    let admin = ann.send(as_ann(Method::GET, "/queues", "sre|mail")).await.json();
    assert_eq!(admin["role"], "admin");
    let refused = ann.send(as_ann(Method::GET, "/queues", "staff")).await;
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("ann is in no group that may look here"), "{}", refused.body);

    let act = |csrf: &str, queue: &str| {
        let body = format!("queue={queue}&csrf={csrf}");
        as_ann(Method::POST, "/act", "mail").header("content-type", "application/x-www-form-urlencoded").body(body)
    };
    let csrf = admin["csrf"].as_str().unwrap();
    assert_eq!(ann.send(act(csrf, "email")).await.status, 200);
    assert_eq!(ann.send(act(csrf, "inventory")).await.status, 403);
    assert_eq!(ann.send(act("forged", "email")).await.status, 403);
    // Somebody else in the same browser has another token.
    let eve = ann.request(Method::GET, "/queues").header("X-Forwarded-User", "eve").header("X-Forwarded-Groups", "sre");
    let eve = ann.send(eve).await.json();
    assert_ne!(eve["csrf"], csrf);
}

#[tokio::test]
async fn nobody_else_does() {
    let site = Site::start(behind_a_proxy()).await;
    let nameless = site.visitor().get("/queues").await;
    assert_eq!(nameless.status, 401);
    assert!(nameless.body.contains("x-forwarded-user"), "{}", nameless.body);
    let past = site.visitor_from([127, 0, 0, 2]);
    let request =
        past.request(Method::GET, "/queues").header("X-Forwarded-User", "ann").header("X-Forwarded-Groups", "sre");
    let refused = past.send(request.header("X-Forwarded-For", "127.0.0.1")).await;
    assert_eq!(refused.status, 401);
    assert!(refused.body.contains("dashboard.trusted_proxies"), "{}", refused.body);
}
