//! Where nobody is asked.

use millgate_dashboard::{
    DashboardConfig,
    access::Access,
    config::{Auth, UserConfig},
};
use reqwest::Method;

use crate::{site::Site, users::with_users};

#[tokio::test]
async fn this_machine_may_all_and_pages_of_other_sites_nothing() {
    let site = Site::start(DashboardConfig::default()).await;
    let local = site.visitor();
    let page = local.get("/").await.json();
    assert_eq!((page["name"].as_str(), page["role"].as_str()), (Some("anybody"), Some("admin")));
    let csrf = page["csrf"].as_str().unwrap();
    assert_eq!(local.token().await, csrf, "the same for the whole session");
    assert_eq!(local.post("/act", &[("queue", "email"), ("csrf", csrf)]).await.status, 200);
    assert_eq!(local.post("/act", &[("queue", "email"), ("csrf", "forged")]).await.status, 403);
    assert_eq!(site.visitor().post("/act", &[("queue", "email"), ("csrf", csrf)]).await.status, 403);
    // A script that is no browser needs none; a page of another site cannot look like one.
    let json = || {
        let request = site.visitor().request(Method::POST, "/api/act");
        request.header("content-type", "application/json").body("{\"queue\":\"email\"}")
    };
    assert_eq!(local.send(json()).await.status, 200);
    assert_eq!(local.send(json().header("origin", "https://evil.example")).await.status, 403);
    assert_eq!(local.send(json().header("sec-fetch-site", "same-origin")).await.status, 403);
    // A name that a stranger has point to this machine.
    for method in [Method::GET, Method::POST] {
        let refused = local.send(local.request(method, "/").header("host", "evil.example:8088")).await;
        assert_eq!(refused.status, 403);
        assert!(refused.body.contains("only this machine may look"), "{}", refused.body);
    }
}

#[test]
fn others_are_not_let_in_unasked() {
    let told = |config: DashboardConfig| Access::open(&config).err().map(|error| error.to_string()).unwrap_or_default();
    for listen in ["0.0.0.0:8088", "[::]:8088", "10.0.0.7:8088"] {
        let told = told(DashboardConfig { listen: listen.into(), ..DashboardConfig::default() });
        assert!(told.contains(&format!("open to everybody who can reach {listen}: set dashboard.auth")), "{told}");
    }
    for listen in ["127.0.0.1:8088", "[::1]:0", "127.8.8.8:1"] {
        assert_eq!(told(DashboardConfig { listen: listen.into(), ..DashboardConfig::default() }), "");
    }
    let with = |auth| DashboardConfig { auth, listen: "0.0.0.0:8088".into(), ..DashboardConfig::default() };
    assert!(told(with(Auth::Users)).contains("[dashboard.users.ann]"));
    assert!(told(with(Auth::Proxy)).contains("dashboard.trusted_proxies"));
    assert!(told(with(Auth::Oidc)).contains("dashboard.oidc.issuer"));
    let mut plain = with_users();
    let ann: &mut UserConfig = plain.users.get_mut("ann").unwrap();
    ann.password = "lamp".into();
    let plain = told(plain);
    assert!(plain.contains("the password of ann") && !plain.contains("lamp"), "{plain}");
    assert!(told(DashboardConfig { secret: "short".into(), ..with_users() }).contains("dashboard.secret"));
    let role = told(DashboardConfig { default_role: "boss".into(), ..with_users() });
    assert!(role.contains("`boss` is no role"), "{role}");
}
