//! By name and password.

use std::time::Duration;

use millgate_dashboard::{
    DashboardConfig,
    access::{Role, hash_password},
    config::{Auth, CookieSecure, UserConfig},
};
use serde_json::json;

use crate::site::{Answer, Site};

pub(crate) fn with_users() -> DashboardConfig {
    let user = |password: &str, role, queues: &[&str]| UserConfig {
        password: hash_password(password).unwrap(),
        role,
        queues: queues.iter().map(|&queue| queue.to_owned()).collect(),
    };
    let users = [
        ("ann", user("lamp", Role::Admin, &[])),
        ("bob", user("lamp oil", Role::Operator, &["email", "crm.*"])),
        ("eve", user("dark", Role::Viewer, &[])),
    ];
    let users = users.into_iter().map(|(name, user)| (name.to_owned(), user)).collect();
    DashboardConfig { auth: Auth::Users, users, ..DashboardConfig::default() }
}

#[tokio::test]
async fn who_logs_in_is_known_until_they_log_out() {
    let site = Site::start(with_users()).await;
    let ann = site.visitor();
    let sent = ann.get("/queues?state=dead").await;
    assert_eq!((sent.status, sent.location.as_str()), (303, "/login?next=%2Fqueues%3Fstate%3Ddead"));
    let form = ann.get(&sent.location).await;
    let fields = [
        ("csrf", form.field("csrf")),
        ("next", form.field("next")),
        ("name", "ann".into()),
        ("password", "lamp".into()),
    ];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let logged_in = ann.post("/login", &fields).await;
    assert_eq!((logged_in.status, logged_in.location.as_str()), (303, "/queues?state=dead"));
    let page = ann.get("/queues").await.json();
    assert_eq!((&page["name"], &page["role"], &page["queues"]), (&json!("ann"), &json!("admin"), &json!({})));

    let kept = ann.cookies.lock().unwrap().clone();
    assert_eq!(ann.post("/logout", &[]).await.status, 403, "a way out without a token");
    let left = ann.post("/logout", &[("csrf", &ann.token().await)]).await;
    assert_eq!((left.status, left.location.as_str()), (303, "/login?left="));
    assert_eq!(ann.get("/queues").await.status, 303);
    // Whoever kept the cookie is not let in with it.
    *ann.cookies.lock().unwrap() = kept;
    assert_eq!(ann.get("/queues").await.status, 303);
}

#[tokio::test]
async fn nobody_else_is_let_in() {
    let site = Site::start(with_users()).await;
    let stranger = site.visitor();
    for (name, password) in [("ann", "Lamp"), ("ann", ""), ("nobody", "lamp"), ("", ""), ("bob", "lamp")] {
        let refused = stranger.log_in(name, password).await;
        assert_eq!(refused.status, 401, "{name} {password}");
        assert!(refused.body.contains("Name or password is wrong."), "{}", refused.body);
    }
    assert_eq!(stranger.get("/assets/style.css").await.body, "css");
    let api = stranger.get("/api/who").await;
    assert_eq!(api.status, 401);
    assert!(api.json()["error"].as_str().unwrap().contains("log in"), "{api:?}");
    assert_eq!(stranger.post("/act", &[("queue", "email")]).await.status, 401);
    assert_eq!(stranger.get("/nowhere").await.status, 303, "what there is not is not told to strangers");

    // A cookie of one's own making, and one of another site's.
    for cookie in ["eyJuYW1lIjoiYW5uIn0", "x"] {
        stranger.cookies.lock().unwrap().insert("millgate-session-8088".into(), cookie.into());
        assert_eq!(stranger.get("/queues").await.status, 303);
    }
    let elsewhere = Site::start(with_users()).await;
    let other = elsewhere.visitor();
    other.log_in("ann", "lamp").await;
    *stranger.cookies.lock().unwrap() = other.cookies.lock().unwrap().clone();
    assert_eq!(stranger.get("/queues").await.status, 303);
}

#[tokio::test]
async fn after_many_wrong_passwords_none_is_looked_at() {
    let site = Site::start(with_users()).await;
    let (stranger, bob) = (site.visitor(), site.visitor());
    for _ in 0..10 {
        assert_eq!(stranger.log_in("ann", "?").await.status, 401);
    }
    let refused = stranger.log_in("ann", "lamp").await;
    assert_eq!(refused.status, 429, "the right one neither");
    let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=300).contains(&wait), "{wait}");
    assert!(refused.body.contains("Too many logins have failed"), "{}", refused.body);
    assert_eq!(bob.log_in("bob", "lamp oil").await.status, 303, "others may");

    // By address, whatever the name.
    let many = site.visitor_from([127, 0, 0, 2]);
    let mut status = 401;
    for name in 0..60 {
        status = many.log_in(&format!("name{name}"), "?").await.status;
    }
    assert_eq!(status, 429);
    assert_eq!(many.log_in("bob", "lamp oil").await.status, 429);
    assert_eq!(bob.log_in("bob", "lamp oil").await.status, 303, "at another address");
}

#[tokio::test]
async fn a_role_holds_in_its_queues() {
    let site = Site::start(with_users()).await;
    for (name, password, may) in
        [("ann", "lamp", [true, true, true]), ("bob", "lamp oil", [true, true, false]), ("eve", "dark", [false; 3])]
    {
        let visitor = site.visitor();
        visitor.log_in(name, password).await;
        let csrf = visitor.token().await;
        for (queue, may) in ["email", "crm.sync", "inventory"].into_iter().zip(may) {
            let answer = visitor.post("/act", &[("csrf", &csrf), ("queue", queue)]).await;
            assert_eq!(answer.status == 200, may, "{name} in {queue}: {answer:?}");
            assert_eq!(answer.body, format!("{name}: {queue}"));
        }
    }
}

fn flags(answer: &Answer) -> Vec<&str> {
    let mut flags: Vec<&str> = answer.cookies.last().unwrap().split("; ").skip(1).collect();
    flags.sort_unstable();
    flags
}

#[tokio::test]
async fn cookies_go_where_they_should_and_nowhere_else() {
    let site = Site::start(with_users()).await;
    let plain = ["HttpOnly", "Max-Age=43199", "Path=/", "SameSite=Lax"];
    assert_eq!(flags(&site.visitor().log_in("ann", "lamp").await), plain);
    let secure = |config: DashboardConfig| async {
        let site = Site::start(config).await;
        flags(&site.visitor().log_in("ann", "lamp").await).contains(&"Secure")
    };
    assert!(secure(DashboardConfig { cookie_secure: CookieSecure::Always, ..with_users() }).await);
    assert!(secure(DashboardConfig { url: "https://ops.example.org".into(), ..with_users() }).await);
    assert!(secure(DashboardConfig { listen: "0.0.0.0:8088".into(), ..with_users() }).await);
    let never = CookieSecure::Never;
    assert!(!secure(DashboardConfig { listen: "0.0.0.0:8088".into(), cookie_secure: never, ..with_users() }).await);
}

#[tokio::test]
async fn all_of_it_can_be_under_a_path() {
    let site = Site::start(DashboardConfig { path: "/millgate".into(), ..with_users() }).await;
    let ann = site.visitor();
    assert_eq!(ann.get("/queues").await.location, "/millgate/login?next=%2Fmillgate%2Fqueues");
    let form = ann.get("/login").await;
    assert!(form.body.contains("action=\"/millgate/login\""), "{}", form.body);
    assert!(form.body.contains("href=\"/millgate/assets/"), "{}", form.body);
    let answer = ann.log_in("ann", "lamp").await;
    assert_eq!(answer.location, "/millgate/");
    assert!(flags(&answer).contains(&"Path=/millgate"), "{answer:?}");
    assert_eq!(ann.get("/queues").await.json()["name"], "ann");
    // Nothing is there beside it.
    assert_eq!(ann.get(&format!("{}/queues", ann.origin)).await.status, 404);
}

#[tokio::test]
async fn one_is_sent_on_to_pages_of_ours_only() {
    let site = Site::start(with_users()).await;
    for evil in
        ["//evil.example", "/\\evil.example", "https://evil.example/", "/%09/evil.example", "javascript:alert(1)"]
    {
        let ann = site.visitor();
        let form = ann.get(&format!("/login?next={evil}")).await;
        assert_eq!(form.field("next"), "/", "{evil}");
        let fields = [("csrf", &*form.field("csrf")), ("name", "ann"), ("password", "lamp"), ("next", evil)];
        let answer = ann.post("/login", &fields).await;
        let is_ours = answer.location == "/" || answer.location == "/%09/evil.example";
        assert!(answer.status == 303 && is_ours, "{evil}: {answer:?}");
    }
}

#[tokio::test]
async fn a_session_ends_with_its_password_and_lives_on_with_its_secret() {
    let secret = "0123456789abcdef0123456789abcdef".to_owned();
    let config = DashboardConfig { secret, ..with_users() };
    let before = Site::start(config.clone()).await;
    let (ann, bob) = (before.visitor(), before.visitor());
    ann.log_in("ann", "lamp").await;
    bob.log_in("bob", "lamp oil").await;
    let mut changed = config;
    changed.users.get_mut("ann").unwrap().password = hash_password("lantern").unwrap();
    let after = Site::start(changed).await;
    for (visitor, status) in [(ann, 303), (bob, 200)] {
        let later = after.visitor();
        *later.cookies.lock().unwrap() = visitor.cookies.lock().unwrap().clone();
        assert_eq!(later.get("/queues").await.status, status);
    }
}

#[tokio::test]
async fn a_page_that_is_open_shows_no_more_when_its_session_has_ended() {
    let lifetime = Duration::from_secs(3);
    let site = Site::start(DashboardConfig { session_lifetime: lifetime, ..with_users() }).await;
    let ann = site.visitor();
    ann.log_in("ann", "lamp").await;
    // Without an end of the session this would never be all of it.
    let live = tokio::time::timeout(Duration::from_mins(1), ann.get("/live")).await.unwrap();
    assert_eq!(live.body, "data: first\n\n");
    assert_eq!(ann.get("/queues").await.status, 303);
}
