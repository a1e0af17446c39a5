//! A dashboard of a test's own, and somebody who sits before it.

use axum::{Extension, Router};
use chrono::DateTime;
use millgate_dashboard::{
    DashboardConfig, Site,
    access::{Role, Viewer},
    web,
};
use millgate_jobs::{Job, Process, WorkedQueue};
use millgate_testkit::RedisSpace;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

/// A job that says whom to greet.
#[derive(Serialize, Deserialize)]
pub(crate) struct Greet {
    pub(crate) whom: String,
}

impl Job for Greet {
    const KIND: &'static str = "greet";
    const QUEUE: &'static str = "email";
}

/// What nobody should ever see run.
pub(crate) const XSS: &str = "<script>alert(1)</script>\"'&";

pub(crate) struct Desk {
    pub(crate) redis: RedisSpace,
    client: Client,
    address: String,
    _serving: AbortOnDropHandle<()>,
}

impl Desk {
    /// A dashboard for who may do everything.
    pub(crate) async fn open() -> Self {
        Self::opened(Viewer::everything("ann"), |site| site).await
    }

    /// A dashboard that is mounted under a path.
    pub(crate) async fn under(path: &str) -> Self {
        let config = DashboardConfig { path: path.into(), ..DashboardConfig::default() };
        Self::made(&config, Viewer::everything("ann"), |site| site).await
    }

    /// A dashboard for somebody, of a site that is changed first.
    pub(crate) async fn opened(viewer: Viewer, change: impl FnOnce(Site) -> Site) -> Self {
        Self::made(&DashboardConfig::default(), viewer, change).await
    }

    async fn made(config: &DashboardConfig, viewer: Viewer, change: impl FnOnce(Site) -> Site) -> Self {
        let redis = RedisSpace::fresh("desk");
        let queues = redis.queues();
        let names = vec!["crm.sync".to_owned(), "email".to_owned()];
        let schedules = millgate_jobs::Schedules::new(&queues, &names);
        let site = change(Site { queue_names: names, schedules, ..Site::new("shop", queues) });
        let router: Router = web::router(site, config).layer(Extension(viewer));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { redis, client: Client::new(), address, _serving: AbortOnDropHandle::new(serving) }
    }

    async fn answer(request: RequestBuilder) -> (StatusCode, String) {
        let response: Response = request.send().await.unwrap();
        (response.status(), response.text().await.unwrap())
    }

    /// A page, or what stands in its place.
    pub(crate) async fn look(&self, path: &str) -> (StatusCode, String) {
        Self::answer(self.client.get(format!("{}{path}", self.address))).await
    }

    /// A page that is there.
    pub(crate) async fn page(&self, path: &str) -> String {
        let (status, text) = self.look(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {text}");
        assert_eq!(text.matches("<h1").count(), 1, "{path} has one title");
        assert!(!text.contains("<script>alert"), "{path}: {text}");
        text
    }

    /// What the API says of something that is there.
    pub(crate) async fn api(&self, path: &str) -> Value {
        let (status, text) = self.look(&format!("/api{path}")).await;
        assert_eq!(status, StatusCode::OK, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Sends an action to the API.
    pub(crate) async fn act(&self, action: &Value) -> (StatusCode, Value) {
        self.post("/api/actions", action).await
    }

    /// Undoes an entry of the audit by the API.
    pub(crate) async fn undo(&self, entry: &Value) -> (StatusCode, Value) {
        self.post("/api/actions/undo", &serde_json::json!({ "entry": entry })).await
    }

    async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        let request = self.client.post(format!("{}{path}", self.address));
        let (status, text) =
            Self::answer(request.header("content-type", "application/json").body(body.to_string())).await;
        (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
    }

    /// Sends a form as a page does, with these fields filled in, and gives the page that follows.
    pub(crate) async fn submit(&self, action: &Value, filled: &[(&str, &str)], back: &str) -> (StatusCode, String) {
        let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
        let action = action.to_string();
        let fields = [("action", action.as_str()), ("back", back)];
        let fields = fields.iter().chain(filled).map(|(name, value)| format!("{}={}", encode(name), encode(value)));
        let body = fields.collect::<Vec<_>>().join("&");
        let request = self.client.post(format!("{}/actions", self.address));
        Self::answer(request.header("content-type", "application/x-www-form-urlencoded").body(body)).await
    }
}

/// Somebody with a role, and with others in some queues.
pub(crate) fn viewer(role: Role, queues: &[(&str, Role)]) -> Viewer {
    let queues = queues.iter().map(|(queue, role)| ((*queue).to_owned(), *role)).collect();
    Viewer { role, queues, ..Viewer::everything("bob") }
}

/// A worker of the queue `email` that knows greetings, as it describes itself.
pub(crate) fn worker(id: &str) -> Process {
    let queue = WorkedQueue { name: "email".into(), concurrency: 8, in_hand: 2, utilisation: 0.25, last_fetch: None };
    Process {
        id: id.into(),
        roles: vec!["worker".into()],
        application: "shop".into(),
        host: format!("host-{XSS}"),
        pid: 7,
        version: "1.2.3".into(),
        started_at: DateTime::UNIX_EPOCH,
        reported_at: DateTime::UNIX_EPOCH,
        quiet: false,
        order: None,
        queues: vec![queue],
        kinds: [("greet".to_owned(), 1)].into(),
        groups: Vec::new(),
        troubles: Vec::new(),
        more_troubles: 0,
    }
}
