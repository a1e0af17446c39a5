//! A site that says who looks, behind an [`Access`]; and somebody who visits it.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::Mutex,
};

use axum::{
    Extension, Json, Router,
    extract::Form,
    http::StatusCode,
    response::sse::{Event, Sse},
    routing::{get, post},
};
use futures::{Stream, StreamExt, stream};
use millgate_dashboard::{
    DashboardConfig,
    access::{Access, Role, Viewer},
};
use reqwest::{Method, RequestBuilder, redirect::Policy};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

/// It serves as long as this value lives.
pub(crate) struct Site {
    pub(crate) port: u16,
    pub(crate) base: String,
    _serving: JoinSet<()>,
}

impl Site {
    /// One that is configured so; `{port}` in its `url` is its own.
    pub(crate) async fn start(mut config: DashboardConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        config.url = config.url.replace("{port}", &port.to_string());
        let base = config.path.clone();
        let router = Router::new()
            .route("/", get(who))
            .route("/queues", get(who))
            .route("/api/who", get(who))
            .route("/api/act", post(act_by_json))
            .route("/act", post(act))
            .route("/live", get(live))
            .route("/assets/style.css", get(async || "css"));
        let router = if base.is_empty() { router } else { Router::new().nest(&base, router) };
        let router = Access::open(&config).unwrap().protect(router);
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, service).await.unwrap() });
        Self { port, base, _serving: serving }
    }

    /// Somebody with a new browser.
    pub(crate) fn visitor(&self) -> Visitor {
        let http = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
        Visitor {
            http,
            origin: format!("http://127.0.0.1:{}", self.port),
            base: self.base.clone(),
            cookies: Mutex::default(),
        }
    }

    /// Somebody who comes from another address of this machine.
    pub(crate) fn visitor_from(&self, address: [u8; 4]) -> Visitor {
        let from = reqwest::Client::builder().redirect(Policy::none()).local_address(IpAddr::from(address));
        Visitor { http: from.build().unwrap(), ..self.visitor() }
    }
}

async fn who(Extension(viewer): Extension<Viewer>) -> Json<Value> {
    Json(json!({ "name": viewer.name, "role": viewer.role, "queues": viewer.queues, "csrf": viewer.csrf }))
}

/// A stream that has no end of its own.
async fn live() -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let first = stream::once(async { Ok(Event::default().data("first")) });
    Sse::new(first.chain(stream::pending()))
}

#[derive(serde::Deserialize)]
struct Act {
    queue: String,
}

async fn act(Extension(viewer): Extension<Viewer>, Form(Act { queue }): Form<Act>) -> (StatusCode, String) {
    let may = viewer.may(Role::Operator, Some(&queue));
    (if may { StatusCode::OK } else { StatusCode::FORBIDDEN }, format!("{}: {queue}", viewer.name))
}

async fn act_by_json(Extension(viewer): Extension<Viewer>, Json(Act { queue }): Json<Act>) -> (StatusCode, String) {
    act(Extension(viewer), Form(Act { queue })).await
}

/// Keeps cookies, and does nothing else by itself.
pub(crate) struct Visitor {
    http: reqwest::Client,
    pub(crate) origin: String,
    base: String,
    pub(crate) cookies: Mutex<BTreeMap<String, String>>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) location: String,
    /// As they came.
    pub(crate) cookies: Vec<String>,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// What a hidden field of a form says.
    pub(crate) fn field(&self, name: &str) -> String {
        let (_, rest) =
            self.body.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("{self:?}"));
        rest.split('"').next().unwrap().to_owned()
    }
}

impl Visitor {
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url =
            if path.starts_with("http") { path.to_owned() } else { format!("{}{}{path}", self.origin, self.base) };
        let request = self.http.request(method, url).header("accept", "text/html");
        let cookies = self.cookies.lock().unwrap();
        let cookies: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if cookies.is_empty() { request } else { request.header("cookie", cookies.join("; ")) }
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let headers = response.headers().clone();
        let text = |value: &reqwest::header::HeaderValue| value.to_str().unwrap().to_owned();
        let set: Vec<String> = headers.get_all("set-cookie").iter().map(text).collect();
        for cookie in &set {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            let mut cookies = self.cookies.lock().unwrap();
            if cookie.contains("Max-Age=0") {
                cookies.remove(name)
            } else {
                cookies.insert(name.into(), value.into())
            };
        }
        let location = headers.get("location").map(text).unwrap_or_default();
        let status = response.status().as_u16();
        Answer { status, location, cookies: set, headers, body: response.text().await.unwrap() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// Sends a form.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(self.form(path, fields)).await
    }

    pub(crate) fn form(&self, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.request(Method::POST, path).header("content-type", "application/x-www-form-urlencoded").body(body)
    }

    /// Fills in the form of the login.
    pub(crate) async fn log_in(&self, name: &str, password: &str) -> Answer {
        let csrf = self.get("/login").await.field("csrf");
        self.post("/login", &[("csrf", &csrf), ("name", name), ("password", password)]).await
    }

    /// The token that its pages carry.
    pub(crate) async fn token(&self) -> String {
        self.get("/api/who").await.json()["csrf"].as_str().unwrap().to_owned()
    }
}
