use millgate_events::{EventMeta, Headers};
use millgate_jobs::{Job, delay, unique};
use serde::{Deserialize, Serialize};

use super::*;
use crate::on;

#[derive(Serialize, Deserialize)]
struct Ordered {
    order: String,
}

impl Event for Ordered {
    const TYPE: &'static str = "order.created";
    fn key(&self) -> String {
        self.order.clone()
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Mail {
    order: String,
}

impl Job for Mail {
    const KIND: &'static str = "mail";
    const QUEUE: &'static str = "email";
}

fn record(id: &str, value: &str) -> Record {
    let time = chrono::DateTime::from_timestamp_millis(1_700_000_000_000).unwrap();
    let meta = EventMeta::new::<Ordered>("shop", time).with_id(id);
    Record {
        topic: "order.created".into(),
        partition: 0,
        offset: 0,
        timestamp: None,
        key: None,
        value: Some(value.to_owned().into()),
        headers: meta.to_headers("application/json"),
    }
}

fn routes() -> Routes {
    let mut routes = Routes::default();
    routes.add(
        on::<Ordered>()
            .enqueue(|e| Mail { order: e.order.clone() })
            .enqueue_with(|e| {
                let day = std::time::Duration::from_hours(24);
                (Mail { order: e.order.clone() }, delay(day).unique(&e.order))
            })
            .cancel::<Mail, _>(|e| e.order.clone()),
    );
    routes
}

#[test]
fn the_same_event_gives_the_same_jobs_and_another_gives_others() {
    let routes = routes();
    let ids = |id: &str| -> Vec<String> {
        let plan = routes.plan(&record(id, r#"{"order":"o1"}"#), "order.created").unwrap().unwrap();
        plan.jobs.into_iter().filter_map(|job| job.name().map(str::to_owned)).collect()
    };
    assert_eq!(ids("e1"), ids("e1"));
    let all: BTreeSet<String> = ids("e1").into_iter().chain(ids("e2")).collect();
    assert_eq!(all.len(), 4, "two jobs of one kind in one event are two jobs");
}

#[test]
fn options_reach_the_job_and_a_delay_counts_from_the_event() {
    let plan = routes().plan(&record("e1", r#"{"order":"o1"}"#), "order.created").unwrap().unwrap();
    assert_eq!(plan.jobs[0].run_at(), None);
    assert_eq!(plan.jobs[1].run_at().unwrap().timestamp_millis(), 1_700_000_000_000 + 86_400_000);
    assert_eq!(plan.jobs[1].unique(), Some("o1"));
    assert_eq!(plan.jobs[1].payload(), r#"{"order":"o1"}"#);
    assert_eq!(plan.cancels[0].1.unique, "o1");
}

#[test]
fn unknown_broken_and_panicking_are_poison_and_a_tombstone_is_nothing() {
    let mut routes = routes();
    let code = |routes: &Routes, record: &Record| routes.plan(record, "order.created").unwrap_err().code();
    assert_eq!(code(&routes, &record("e1", "{")), "not_json");
    let mut other = record("e1", "{}");
    other.headers = Headers::from_iter([("event-type", "order.exploded")]);
    assert_eq!(code(&routes, &other), "unknown_type");
    let mut tombstone = record("e1", "");
    tombstone.value = None;
    assert!(routes.plan(&tombstone, "order.created").unwrap().is_none());
    routes.add(on::<Ordered>().enqueue_with(|e| -> (Mail, _) {
        assert_ne!(e.order, "bad", "no such order");
        (Mail { order: e.order.clone() }, unique("x"))
    }));
    assert_eq!(code(&routes, &record("e1", r#"{"order":"bad"}"#)), "route_panicked");
    assert_eq!(routes.plan(&record("e1", r#"{"order":"ok"}"#), "order.created").unwrap().unwrap().jobs.len(), 3);
}

#[test]
fn jobs_that_nobody_handles_are_named() {
    assert_eq!(routes().unhandled(|kind| kind == "other"), [("mail", "email")]);
    assert!(routes().unhandled(|kind| kind == "mail").is_empty());
}

#[derive(Serialize)]
struct Touchy;

impl<'de> Deserialize<'de> for Touchy {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("not this one")
    }
}

impl Event for Touchy {
    const TYPE: &'static str = "touchy";
    fn key(&self) -> String {
        String::new()
    }
}

#[test]
fn a_type_that_panics_while_it_is_read_is_poison_too() {
    let mut routes = Routes::default();
    routes.know::<Touchy>();
    let mut record = record("e1", "{}");
    record.headers = Headers::from_iter([("event-type", "touchy")]);
    let poison = routes.plan(&record, "touchy").unwrap_err();
    assert_eq!((poison.code(), poison.to_string().contains("not this one")), ("route_panicked", true));
}

#[test]
fn a_reason_that_quotes_its_value_is_cut() {
    let value = format!(r#"{{"order":{{"{}":1}}}}"#, "x".repeat(100_000));
    let unknown = format!(r#"{{"eventType":"{}"}}"#, "y".repeat(100_000));
    let mut plain = record("e1", &unknown);
    plain.headers = Headers::new();
    for record in [record("e1", &value), plain] {
        let poison = routes().plan(&record, "order.created").unwrap_err();
        assert!(poison.message().len() <= 1_000, "{}", poison.message().len());
    }
}

#[derive(Serialize, Deserialize)]
struct Renamed {
    order: String,
}

impl Event for Renamed {
    const TYPE: &'static str = "order.renamed";
    const VERSION: u32 = 3;
    const TOPIC: &'static str = "orders";
    fn key(&self) -> String {
        format!("key of {}", self.order)
    }
}

#[test]
fn what_follows_a_condition_is_done_only_where_it_holds() {
    let mut routes = Routes::default();
    let mail = |e: &Received<Ordered>| Mail { order: e.order.clone() };
    routes.add(
        on::<Ordered>()
            .enqueue(mail)
            .when(|e| e.order.starts_with('o'))
            .cancel::<Mail, _>(|e| e.order.clone())
            .when(|e| e.meta.version == 1 && e.order.ends_with('1'))
            .enqueue(mail),
    );
    routes.add(on::<Ordered>().when(|e| e.order == "x1").enqueue(mail));
    let counts = |order: &str| {
        let value = format!(r#"{{"order":"{order}"}}"#);
        let plan = routes.plan(&record("e1", &value), "order.created").unwrap().unwrap();
        (plan.jobs.len(), plan.cancels.len())
    };
    assert_eq!([counts("o1"), counts("o2"), counts("x1"), counts("x2")], [(2, 1), (1, 1), (2, 0), (1, 0)]);
    let conditional: Vec<bool> = routes.table().outlines().iter().map(|o| !o.conditions.is_empty()).collect();
    assert_eq!(conditional, [false, true, true, true]);
}

#[test]
fn an_event_can_lead_to_another_by_way_of_a_job() {
    let mut routes = Routes::default();
    let route = on::<Ordered>().publish(|e| Renamed { order: e.order.clone() });
    assert!(route.publishes());
    routes.add(route);
    let plan = || routes.plan(&record("e1", r#"{"order":"o1"}"#), "order.created").unwrap().unwrap();
    let job = &plan().jobs[0];
    assert_eq!((job.kind.as_str(), &job.id), ("publish-event", &plan().jobs[0].id));
    let payload: serde_json::Value = serde_json::from_str(job.payload()).unwrap();
    let expected = serde_json::json!({
        "event_type": "order.renamed", "version": 3, "topic": "orders", "key": "key of o1", "data": { "order": "o1" },
    });
    assert_eq!(payload, expected);
    assert_eq!(routes.version("order.renamed"), Some(3), "it would be poison to ourselves");
    assert_eq!(routes.topics().collect::<Vec<_>>(), ["order.created", "orders"]);
}
