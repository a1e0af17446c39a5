//! What changes something comes from a page of ours, and carries its token.

use millgate_dashboard::DashboardConfig;
use reqwest::Method;

use crate::{site::Site, users::with_users};

#[tokio::test]
async fn nothing_is_done_without_the_token_of_the_session() {
    let site = Site::start(with_users()).await;
    let (ann, bob) = (site.visitor(), site.visitor());
    ann.log_in("ann", "lamp").await;
    bob.log_in("bob", "lamp oil").await;
    let (own, foreign) = (ann.token().await, bob.token().await);
    assert_ne!(own, foreign);
    assert_eq!(ann.post("/act", &[("queue", "email"), ("csrf", &own)]).await.status, 200);
    for fields in [
        vec![("queue", "email")],
        vec![("queue", "email"), ("csrf", "")],
        vec![("queue", "email"), ("csrf", "forged")],
        vec![("queue", "email"), ("csrf", &foreign)],
    ] {
        let refused = ann.post("/act", &fields).await;
        assert_eq!(refused.status, 403, "{fields:?}");
        assert!(refused.body.contains("Load the page again"), "{}", refused.body);
    }
    // In the header, as scripts of pages send it. A wrong one is not made good by the form.
    let with_header =
        |token: &str| ann.form("/act", &[("queue", "email"), ("csrf", &own)]).header("x-csrf-token", token);
    assert_eq!(ann.send(with_header(&own)).await.status, 200);
    assert_eq!(ann.send(with_header(&foreign)).await.status, 403);
    // Nor in the address, where logs have it.
    assert_eq!(ann.post(&format!("/act?csrf={own}"), &[("queue", "email")]).await.status, 403);
    for method in [Method::PUT, Method::DELETE, Method::PATCH] {
        assert_eq!(ann.send(ann.request(method, "/act")).await.status, 403);
    }
    let json =
        ann.request(Method::POST, "/api/act").header("content-type", "application/json").body("{\"queue\":\"email\"}");
    let refused = ann.send(json).await;
    assert_eq!((refused.status, refused.json()["error"].is_string()), (403, true));
}

#[tokio::test]
async fn what_comes_from_elsewhere_is_refused_with_the_right_token_too() {
    let site = Site::start(with_users()).await;
    let ann = site.visitor();
    ann.log_in("ann", "lamp").await;
    let csrf = ann.token().await;
    let act = |name: &str, value: &str| ann.form("/act", &[("queue", "email"), ("csrf", &csrf)]).header(name, value);
    for (name, value, status) in [
        ("origin", ann.origin.as_str(), 200),
        ("sec-fetch-site", "same-origin", 200),
        ("origin", "https://evil.example", 403),
        ("origin", "null", 403),
        ("sec-fetch-site", "cross-site", 403),
        ("sec-fetch-site", "same-site", 403),
    ] {
        assert_eq!(ann.send(act(name, value)).await.status, status, "{name}: {value}");
    }
    // Nobody is logged in by another site, as somebody else.
    let fields = [("name", "bob"), ("password", "lamp oil")];
    assert_eq!(site.visitor().post("/login", &fields).await.status, 403);

    let behind = Site::start(DashboardConfig { url: "http://ops.example.org".into(), ..with_users() }).await;
    let ann = behind.visitor();
    ann.log_in("ann", "lamp").await;
    let csrf = ann.token().await;
    let request = ann.form("/act", &[("queue", "email"), ("csrf", &csrf)]).header("origin", "http://ops.example.org");
    assert_eq!(ann.send(request).await.status, 200, "the proxy changes Host, and url says what browsers have");
}

#[tokio::test]
async fn every_answer_says_what_it_may_do() {
    let site = Site::start(with_users()).await;
    let ann = site.visitor();
    for path in ["/queues", "/login", "/assets/style.css", "/api/who"] {
        let headers = ann.get(path).await.headers;
        let policy = headers["content-security-policy"].to_str().unwrap();
        for part in ["default-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["referrer-policy"], "same-origin");
        assert_eq!(headers["cache-control"], "no-store");
    }
}
