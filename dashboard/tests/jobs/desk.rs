//! A dashboard of a test's own, and somebody who sits before it.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use axum::Extension;
use millgate_dashboard::{
    DashboardConfig, Site,
    access::{Mask, Role, Viewer},
    web,
};
use millgate_jobs::{
    Claimed, Failure, Hand, Job, JobId, JobKind, JobOptions, JobState, JobView, NewJob, Queue, Schedules, Verdict,
};
use millgate_testkit::RedisSpace;
use reqwest::{Client, Response, redirect::Policy};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

pub(crate) const DAY: Duration = Duration::from_hours(24);

/// Whom to greet.
#[derive(Serialize, Deserialize)]
pub(crate) struct Greet {
    pub(crate) whom: String,
    pub(crate) number: usize,
}

impl Job for Greet {
    const KIND: &'static str = "greet";
    const QUEUE: &'static str = "email";
}

pub(crate) fn greet(number: usize) -> Greet {
    Greet { whom: format!("m{number}@mail.example"), number }
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
    /// Where it sends one.
    pub(crate) location: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

pub(crate) struct Desk {
    _redis: RedisSpace,
    pub(crate) queue: Queue,
    pub(crate) other: Queue,
    pub(crate) hand: Hand,
    client: Client,
    address: String,
    looks: AtomicU32,
    _serving: JoinSet<()>,
}

impl Desk {
    /// For who may do everything.
    pub(crate) async fn open() -> Self {
        Self::of(Viewer::everything("ann")).await
    }

    /// For somebody.
    pub(crate) async fn of(viewer: Viewer) -> Self {
        let redis = RedisSpace::fresh("jobs-pages");
        let queues = redis.queues();
        let names = vec!["crm.sync".to_owned(), "email".to_owned()];
        let kind = (Greet::KIND.to_owned(), JobKind::of::<Greet>());
        let site = Site {
            schedules: Schedules::new(&queues, &names),
            queue_names: names,
            kinds: BTreeMap::from([(Greet::KIND.to_owned(), 1)]),
            job_kinds: BTreeMap::from([kind]),
            mask: Mask::of(["secret"]),
            ..Site::new("shop", queues.clone())
        };
        let router = web::router(site, &DashboardConfig::default()).layer(Extension(viewer));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        let queue = queues.queue("email");
        Self {
            hand: Hand::new(&queue, DAY),
            other: queues.queue("crm.sync"),
            queue,
            client: Client::builder().redirect(Policy::none()).build().unwrap(),
            address,
            looks: AtomicU32::new(0),
            _redis: redis,
            _serving: serving,
        }
    }

    async fn answer(response: Response) -> Answer {
        let location = response.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        Answer { status, location: location.unwrap_or_default(), text: response.text().await.unwrap() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Self::answer(self.client.get(format!("{}{path}", self.address)).send().await.unwrap()).await
    }

    /// A page that is there, as it is now: viewers of one address share a look.
    pub(crate) async fn page(&self, path: &str) -> String {
        let sign = if path.contains('?') { '&' } else { '?' };
        let answer = self.get(&format!("{path}{sign}look={}", self.looks.fetch_add(1, Relaxed))).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        assert_eq!(answer.text.matches("<h1").count(), 1, "{path} has one title");
        assert!(!answer.text.contains("<script>alert"), "{path}: {}", answer.text);
        answer.text
    }

    /// What the API says of something that is there.
    pub(crate) async fn api(&self, path: &str) -> Value {
        let answer = self.get(&format!("/api{path}")).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.json()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        let request = self.client.post(format!("{}{path}", self.address));
        let request = request.header("content-type", "application/json").body(body.to_string());
        Self::answer(request.send().await.unwrap()).await
    }

    /// Does something by the API that must go well.
    pub(crate) async fn act(&self, action: &Value) -> Value {
        let answer = self.post("/api/actions", action).await;
        assert_eq!(answer.status, 200, "{action}: {}", answer.text);
        answer.json()
    }

    /// Why something is not done.
    pub(crate) async fn refused(&self, action: &Value) -> (u16, String) {
        let answer = self.post("/api/actions", action).await;
        (answer.status, answer.json()["error"].as_str().unwrap_or_default().to_owned())
    }

    /// Undoes what was done.
    pub(crate) async fn undo(&self, performed: &Value) -> Value {
        let answer = self.post("/api/actions/undo", &json!({ "entry": performed["id"] })).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }

    /// Sends a form as a page does.
    pub(crate) async fn submit(&self, fields: &[(&str, &str)]) -> Answer {
        let encode = |text: &str| text.bytes().fold(String::new(), |text, byte| format!("{text}%{byte:02X}"));
        let body: Vec<String> =
            fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        let request = self.client.post(format!("{}/actions", self.address));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(body.join("&"));
        Self::answer(request.send().await.unwrap()).await
    }

    pub(crate) async fn enter(&self, job: Greet, options: JobOptions) -> JobId {
        let job = NewJob::of(&job, options).unwrap();
        self.queue.enqueue(&[job]).await.unwrap()[0].id().unwrap()
    }

    /// Plain jobs, numbered from 0.
    pub(crate) async fn enter_many(&self, many: usize) -> Vec<JobId> {
        let jobs: Vec<NewJob> =
            (0..many).map(|number| NewJob::of(&greet(number), JobOptions::default()).unwrap()).collect();
        self.queue.enqueue(&jobs).await.unwrap().iter().filter_map(millgate_jobs::Enqueued::id).collect()
    }

    pub(crate) async fn view(&self, id: JobId) -> Option<JobView> {
        self.queue.look(&[id]).await.unwrap().pop()
    }

    pub(crate) async fn state(&self, id: JobId) -> Option<JobState> {
        self.view(id).await.map(|job| job.state)
    }

    /// Takes the job that is next.
    pub(crate) async fn take(&self) -> Claimed {
        self.hand.claim(1).await.unwrap().pop().unwrap()
    }

    /// Runs the job that is next, with that end.
    pub(crate) async fn end(&self, verdict: Verdict) -> JobId {
        let job = self.take().await;
        let key = job.key();
        self.hand.settle(&[(job, verdict)]).await.unwrap();
        key
    }

    /// So many dead jobs.
    pub(crate) async fn dead(&self, many: usize) -> Vec<JobId> {
        self.enter_many(many).await;
        let mut dead = Vec::new();
        for _ in 0..many {
            dead.push(self.end(Verdict::Dead { failure: failure() }).await);
        }
        dead
    }

    /// Checks that both queues are sound.
    pub(crate) async fn sound(&self) {
        for queue in [&self.queue, &self.other] {
            assert_eq!(queue.check().await.unwrap(), Vec::<String>::new(), "{}", queue.name());
            assert!(queue.stats().await.unwrap().adds_up());
        }
    }
}

pub(crate) fn failure() -> Failure {
    Failure::new("smtp_450", "<script>alert('busy')</script>")
}

/// Somebody with a role, and with others in some queues.
pub(crate) fn viewer(role: Role, queues: &[(&str, Role)]) -> Viewer {
    let queues = queues.iter().map(|(queue, role)| ((*queue).to_owned(), *role)).collect();
    Viewer { role, queues, ..Viewer::everything("bob") }
}
