//! By an OpenID provider: one of the test's own, which says what the test wants.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::SystemTime,
};

use axum::{
    Json, Router,
    extract::{Form, Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use millgate_dashboard::{
    DashboardConfig,
    access::{Access, Role},
    config::{Auth, GroupConfig, OidcConfig},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::{net::TcpListener, task::JoinSet};

use crate::site::{Answer, Site, Visitor};

type Fields = HashMap<String, String>;

/// What the provider says beside what is right.
#[derive(Default)]
struct Says {
    issuer: String,
    /// Claims that replace those that are right.
    claims: Mutex<Value>,
    /// Parameters that it sends people back with, in place of those that are right.
    back: Mutex<Fields>,
    /// What it was asked for, by code.
    asked: Mutex<HashMap<String, Fields>>,
}

struct Provider {
    says: Arc<Says>,
    _serving: JoinSet<()>,
}

impl Provider {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}/ops", listener.local_addr().unwrap());
        let says = Arc::new(Says { issuer, claims: Mutex::new(json!({})), ..Says::default() });
        let router = Router::new()
            .route("/ops/.well-known/openid-configuration", get(describe))
            .route("/ops/authorize", get(authorize))
            .route("/ops/token", post(token))
            .with_state(says.clone());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { says, _serving: serving }
    }

    fn config(&self) -> DashboardConfig {
        let group = GroupConfig { role: Role::Operator, queues: vec!["email".into()] };
        DashboardConfig {
            auth: Auth::Oidc,
            url: "http://127.0.0.1:{port}".into(),
            groups: [("mail".to_owned(), group)].into(),
            oidc: OidcConfig {
                issuer: self.says.issuer.clone(),
                client_id: "mill gate".into(),
                client_secret: "s+cret".into(),
                ..OidcConfig::default()
            },
            ..DashboardConfig::default()
        }
    }
}

async fn describe(State(says): State<Arc<Says>>) -> Json<Value> {
    let issuer = &says.issuer;
    let [authorize, token] = ["authorize", "token"].map(|name| format!("{issuer}/{name}"));
    Json(json!({ "issuer": issuer, "authorization_endpoint": authorize, "token_endpoint": token }))
}

/// Asks nobody, and sends them back.
async fn authorize(State(says): State<Arc<Says>>, Query(asked): Query<Fields>) -> Redirect {
    let mut back = Fields::from([("state".into(), asked["state"].clone()), ("iss".into(), says.issuer.clone())]);
    back.insert("code".into(), asked["nonce"].clone());
    back.extend(says.back.lock().unwrap().clone());
    let mut url: url::Url = asked["redirect_uri"].parse().unwrap();
    url.query_pairs_mut().extend_pairs(&back);
    says.asked.lock().unwrap().insert(asked["nonce"].clone(), asked);
    Redirect::to(url.as_str())
}

async fn token(State(says): State<Arc<Says>>, headers: HeaderMap, Form(form): Form<Fields>) -> Response {
    // A code is good once.
    let Some(asked) = says.asked.lock().unwrap().remove(&form["code"]) else {
        return (StatusCode::BAD_REQUEST, "the code is none").into_response();
    };
    assert_eq!(headers["authorization"], format!("Basic {}", BASE64_STANDARD.encode("mill+gate:s%2Bcret")));
    assert_eq!((form["grant_type"].as_str(), &form["redirect_uri"]), ("authorization_code", &asked["redirect_uri"]));
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"]));
    assert_eq!((&challenge, asked["code_challenge_method"].as_str()), (&asked["code_challenge"], "S256"));
    assert_eq!((asked["response_type"].as_str(), asked["scope"].as_str()), ("code", "openid profile email"));
    let mut claims = json!({
        "iss": says.issuer, "aud": "mill gate", "sub": "17", "exp": now() + 300, "iat": now(), "nonce": asked["nonce"],
        "preferred_username": "ann", "groups": ["mail", "staff"],
    });
    claims.as_object_mut().unwrap().extend(says.claims.lock().unwrap().as_object().unwrap().clone());
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let token = format!("{}.{}.signature", part(&json!({ "alg": "RS256" })), part(&claims));
    Json(json!({ "id_token": token, "access_token": "x", "token_type": "Bearer" })).into_response()
}

#[expect(clippy::disallowed_methods, reason = "a token is good for some minutes from now")]
fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// Goes where they are sent: to the login, to the provider, back.
async fn log_in(visitor: &Visitor) -> Answer {
    let login = visitor.get("/queues").await.location;
    let away = visitor.get(&login).await;
    assert_eq!(away.status, 303, "{away:?}");
    let back = site_less(&away.location).await;
    visitor.get(&back).await
}

/// Where the provider sends people, who bring none of our cookies.
async fn site_less(url: &str) -> String {
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    http.get(url).send().await.unwrap().headers()["location"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_provider_says_who_it_is() {
    let provider = Provider::start().await;
    let site = Site::start(DashboardConfig { path: "/millgate".into(), ..provider.config() }).await;
    let ann = site.visitor();
    let login = ann.get("/queues?state=dead").await.location;
    assert_eq!(login, "/millgate/login?next=%2Fmillgate%2Fqueues%3Fstate%3Ddead");
    let away = ann.get(&format!("{}{login}", ann.origin)).await;
    let back = site_less(&away.location).await;
    assert!(back.starts_with(&format!("{}/millgate/oidc/callback?", ann.origin)), "{back}");
    let there = ann.get(&back).await;
    assert_eq!((there.status, there.location.as_str()), (303, "/millgate/queues?state=dead"));
    let page = ann.get("/queues").await.json();
    assert_eq!(
        (&page["name"], &page["role"], &page["queues"]),
        (&json!("ann"), &json!("viewer"), &json!({ "email": "operator" }))
    );
    // The answer is good once.
    assert_eq!(ann.get(&back).await.status, 502);

    let left = ann.post("/logout", &[("csrf", page["csrf"].as_str().unwrap())]).await;
    let page = ann.get(&format!("{}{}", ann.origin, left.location)).await;
    assert!(page.status == 200 && page.body.contains("You are logged out"), "{page:?}");
    assert_eq!(ann.get("/queues").await.status, 303);
}

#[tokio::test]
async fn an_answer_that_is_not_for_this_login_lets_nobody_in() {
    let provider = Provider::start().await;
    let site = Site::start(provider.config()).await;
    for (claims, why) in [
        (json!({ "nonce": "another" }), "another login"),
        (json!({ "aud": "another" }), "another program"),
        (json!({ "iss": "https://evil.example" }), "another provider"),
        (json!({ "exp": now() - 3600 }), "expired"),
        (json!({ "groups": ["staff"] }), "ann is in no group that may look here"),
    ] {
        *provider.says.claims.lock().unwrap() = claims.clone();
        let ann = site.visitor();
        let refused = log_in(&ann).await;
        assert!(refused.status >= 400 && refused.body.contains(why), "{claims}: {refused:?}");
        assert_eq!(ann.get("/queues").await.status, 303, "{claims}");
    }
    *provider.says.claims.lock().unwrap() = json!({});
    for (name, value, why) in [
        ("state", "forged", "another login"),
        ("iss", "https://evil.example", "another provider"),
        ("error", "access_denied", "access_denied"),
        ("code", "forged", "the provider answers 400"),
    ] {
        *provider.says.back.lock().unwrap() = Fields::from([(name.into(), value.into())]);
        let ann = site.visitor();
        let refused = log_in(&ann).await;
        assert!(refused.status == 502 && refused.body.contains(why), "{name}: {refused:?}");
        assert_eq!(ann.get("/queues").await.status, 303, "{name}");
    }
    // Begun by somebody else, who would have them act as him.
    provider.says.back.lock().unwrap().clear();
    let (eve, ann) = (site.visitor(), site.visitor());
    let back = site_less(&eve.get("/login").await.location).await;
    assert_eq!(ann.get(&back).await.status, 502);
    assert_eq!(ann.get("/queues").await.status, 303);
}

#[tokio::test]
async fn a_provider_that_cannot_be_trusted_is_refused() {
    let provider = Provider::start().await;
    let told = |change: &dyn Fn(&mut DashboardConfig)| {
        let mut config = DashboardConfig { url: "https://ops.example.org".into(), ..provider.config() };
        assert!(Access::open(&config).is_ok());
        change(&mut config);
        Access::open(&config).err().map(|error| error.to_string()).unwrap_or_default()
    };
    let plain = told(&|config| config.oidc.issuer = "http://sso.example.org".into());
    assert!(plain.contains("has to begin with https://"), "{plain}");
    let nowhere = told(&|config| {
        config.url = String::new();
        config.listen = "0.0.0.0:8088".into();
    });
    assert!(nowhere.contains("set dashboard.url"), "{nowhere}");

    let mut other = provider.config();
    other.oidc.issuer = other.oidc.issuer.replace("127.0.0.1", "localhost");
    let site = Site::start(other).await;
    let refused = site.visitor().get("/login").await;
    assert!(
        refused.status == 502 && refused.body.contains("its provider calls itself http://127.0.0.1"),
        "{refused:?}"
    );
    let mut away = provider.config();
    away.oidc.issuer = format!("http://127.0.0.1:{}", millgate_testkit::free_port());
    let site = Site::start(away).await;
    let refused = site.visitor().get("/login").await;
    assert!(refused.status == 502 && refused.body.contains("the provider does not answer"), "{refused:?}");
}
