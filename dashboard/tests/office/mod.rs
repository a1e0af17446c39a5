//! An application with a dashboard, on servers of the kit.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode, header::CONTENT_TYPE},
};
use chrono::{DateTime, Utc};
use millgate_bridge::{Routes, on};
use millgate_dashboard::{DashboardConfig, EventRegistry, Reader, Site, access::Viewer, web};
use millgate_events::{
    DeadLetter, DeadLetterStore, DeadLetters, Event, Headers, KafkaConfig, LetterFilter, LetterStatus, Producer, Record,
};
use millgate_jobs::{Job, Queues, Schedules};
use millgate_testkit::{Database, KafkaSpace, RedisSpace};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tower::ServiceExt;

pub(crate) const PATIENCE: Duration = Duration::from_mins(3);
/// What nobody wants to see at work on a page.
pub(crate) const EVIL: &str = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>";

#[derive(Serialize, Deserialize)]
pub(crate) struct ParcelLost {
    pub(crate) parcel: String,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct SearchParcel {
    pub(crate) parcel: String,
}

impl Event for ParcelLost {
    const TYPE: &'static str = "parcel.lost";
    const VERSION: u32 = 1;
    const TOPIC: &'static str = "parcel.lost";

    fn key(&self) -> String {
        self.parcel.clone()
    }
}

impl Job for SearchParcel {
    const KIND: &'static str = "search-parcel";
    const QUEUE: &'static str = "search";
}

pub(crate) struct Office {
    pub(crate) kafka: KafkaSpace,
    pub(crate) redis: RedisSpace,
    pub(crate) database: Option<Database>,
    pub(crate) queues: Queues,
    pub(crate) routes: Arc<Routes>,
    pub(crate) router: Router,
}

/// A lost parcel is searched for.
pub(crate) fn parcels() -> Routes {
    let mut routes = Routes::default();
    routes.add(on::<ParcelLost>().enqueue(|event| SearchParcel { parcel: event.parcel.clone() }));
    routes
}

impl Office {
    pub(crate) async fn open(name: &str) -> Self {
        let database = Database::fresh(None).await;
        DeadLetterStore::new(database.pool().clone()).migrate().await.unwrap();
        Self::with(name, Some(database))
    }

    pub(crate) fn with(name: &str, database: Option<Database>) -> Self {
        let (kafka, redis) = (KafkaSpace::fresh(name), RedisSpace::fresh(name));
        let (queues, routes) = (redis.queues(), Arc::new(parcels()));
        let mut office = Self { kafka, redis, database, queues, routes, router: Router::new() };
        office.router = web::router(office.site(), &DashboardConfig::default());
        office
    }

    pub(crate) fn site(&self) -> Site {
        let mut events = EventRegistry::default();
        events.add::<ParcelLost>();
        let main = Reader { name: "main", routes: self.routes.clone(), kafka: self.kafka.config() };
        let names = vec!["search".to_owned()];
        Site {
            schedules: Schedules::new(&self.queues, names.clone()),
            queue_names: names,
            readers: Arc::new(vec![main]),
            events: Arc::new(events),
            letters: self.store(),
            dead_letter_topics: vec!["dead-letter-queue".into()],
            ..Site::new("parcels", self.queues.clone())
        }
    }

    pub(crate) fn store(&self) -> Option<DeadLetterStore> {
        self.database.as_ref().map(|database| DeadLetterStore::new(database.pool().clone()))
    }

    pub(crate) fn config(&self) -> KafkaConfig {
        self.kafka.config()
    }

    /// Buries events that were unknown yesterday: as many letters, of one cause.
    pub(crate) async fn bury(&self, count: i64) {
        let dead = DeadLetters::new(Producer::new(&self.config(), "test").unwrap(), "dead-letter-queue")
            .stored_in(self.store());
        for offset in 0..count {
            let record = self.record(offset, &format!(r#"{{"parcel":"p{offset}"}}"#), &[]);
            let message = format!("event type parcel.lost is unknown here, {offset} times");
            dead.write(&DeadLetter::of_event(&record, "bridge", "unknown_type", &message, hour_ago())).await.unwrap();
        }
    }

    pub(crate) fn record(&self, offset: i64, value: &str, headers: &[(&str, &str)]) -> Record {
        let headers: Headers = headers.iter().copied().collect();
        Record {
            topic: self.kafka.name("parcel.lost").into(),
            partition: 0,
            offset,
            timestamp: Some(1_700_000_000_000),
            key: Some(EVIL.into()),
            value: Some(value.to_owned().into()),
            headers,
        }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> (StatusCode, String) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let location = response.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
        let body = to_bytes(response.into_body(), 50_000_000).await.unwrap();
        (status, location.unwrap_or_else(|| String::from_utf8(body.to_vec()).unwrap()))
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, String) {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// A page that is there, with nothing at work on it that a record brought along.
    pub(crate) async fn page(&self, path: &str) -> String {
        let (status, page) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {page}");
        assert!(!page.contains("<script>alert") && !page.contains("<img src=x"), "{path}: {page}");
        page
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        let (status, said) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {said}");
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{path}: {error}: {said}"))
    }

    /// Sends a form; gives the page, or where it leads.
    pub(crate) async fn post(&self, path: &str, viewer: Viewer, fields: &[(&str, &str)]) -> (StatusCode, String) {
        let body: Vec<String> = fields.iter().map(|(name, value)| format!("{}={}", part(name), part(value))).collect();
        let request = Request::post(path).header(CONTENT_TYPE, "application/x-www-form-urlencoded").extension(viewer);
        self.send(request.body(Body::from(body.join("&"))).unwrap()).await
    }

    /// Letters in that state.
    pub(crate) async fn count(&self, status: LetterStatus) -> u64 {
        let filter = LetterFilter { statuses: vec![status], ..LetterFilter::default() };
        self.store().unwrap().count(&filter).await.unwrap()
    }
}

pub(crate) fn part(text: &str) -> String {
    text.bytes().fold(String::new(), |part, byte| part + &format!("%{byte:02X}"))
}

#[expect(clippy::disallowed_methods, reason = "what died a while ago is on the trend of today")]
fn hour_ago() -> DateTime<Utc> {
    Utc::now() - chrono::Duration::hours(1)
}
