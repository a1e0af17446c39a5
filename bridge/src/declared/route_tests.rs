use std::time::Duration;

use millgate_events::{Event, EventMeta, Record, Value};
use millgate_jobs::{Job, JobKind, NewJob};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::{Routes, on};

#[derive(Serialize, Deserialize)]
struct Ordered {
    order: String,
    total: u64,
}

/// Version 1 had units.
impl Event for Ordered {
    const TYPE: &'static str = "order.created";
    const VERSION: u32 = 2;
    fn key(&self) -> String {
        self.order.clone()
    }
    fn upcast(_: u32, mut data: Value) -> Result<Value, String> {
        data["total"] = (data["units"].as_u64().ok_or("no units")? * 100).into();
        Ok(data)
    }
}

#[derive(Serialize, Deserialize)]
struct Mail {
    to: String,
    total: u64,
}

impl Job for Mail {
    const KIND: &'static str = "mail";
    const QUEUE: &'static str = "email";
}

fn template(text: &str) -> Template {
    Template::parse_text(text).unwrap()
}

fn mail(fields: &Value) -> DeclaredJob {
    DeclaredJob {
        kind: JobKind::of::<Mail>(),
        fields: Template::parse(fields).unwrap(),
        identity: Uuid::new_v5(&Uuid::NAMESPACE_OID, fields.to_string().as_bytes()),
        delay: None,
        priority: None,
        unique: None,
        once: None,
        ordered_by: None,
        max_attempts: None,
        timeout: None,
    }
}

fn route(when: &[&str], job: DeclaredJob) -> DeclaredRoute {
    DeclaredRoute {
        place: "millgate.toml:7".into(),
        event_type: "order.created".into(),
        version: None,
        when: when.iter().map(|text| Condition::parse(text).unwrap()).collect(),
        deed: Deed::Enqueue(Box::new(job)),
    }
}

fn plain(to: &str) -> DeclaredRoute {
    route(&[], mail(&json!({ "to": to, "total": "$.total" })))
}

fn plan_of(routes: &Routes, version: u32, data: &Value) -> Result<Plan, Poison> {
    let time = chrono::DateTime::from_timestamp_millis(1_700_000_000_000).unwrap();
    let meta = EventMeta { version, ..EventMeta::new::<Ordered>("shop", time).with_id("e1") };
    let record = Record {
        topic: "order.created".into(),
        partition: 0,
        offset: 0,
        timestamp: None,
        key: None,
        value: Some(data.to_string().into()),
        headers: meta.to_headers("application/json"),
    };
    routes.plan(&record, "order.created").map(Option::unwrap)
}

fn plan(routes: &Routes) -> Plan {
    plan_of(routes, 2, &json!({ "order": "o1", "total": 150, "customer": "c1" })).unwrap()
}

fn typed() -> Routes {
    let mut routes = Routes::default();
    routes.add(on::<Ordered>().enqueue(|e| Mail { to: "typed".into(), total: e.total }));
    routes
}

fn ids(plan: &Plan) -> Vec<&str> {
    plan.jobs.iter().filter_map(|job| job.name()).collect()
}

#[test]
fn routes_of_both_kinds_add_up_and_fields_and_options_are_filled_in() {
    let routes = typed();
    let full = DeclaredJob {
        delay: Some(Duration::from_mins(10)),
        priority: Some(3),
        unique: Some(template("$.order")),
        once: Some(Duration::from_hours(1)),
        ordered_by: Some(template("$.customer")),
        ..mail(&json!({ "to": "{$.customer}@mail.example", "total": "$.total" }))
    };
    let cancel = Deed::Cancel { kind: JobKind::of::<Mail>(), unique: template("$.order") };
    routes.declare(vec![
        route(&["$.total > 100", "$.customer exists"], full),
        route(&["$.total > 1000"], mail(&json!({ "to": "nobody", "total": 1 }))),
        DeclaredRoute { deed: cancel, ..plain("x") },
    ]);
    let Plan { jobs, cancels } = plan(&routes);
    let payloads: Vec<&str> = jobs.iter().map(NewJob::payload).collect();
    assert_eq!(payloads, [r#"{"to":"typed","total":150}"#, r#"{"to":"c1@mail.example","total":150}"#]);
    let job = &jobs[1];
    let options = job.options();
    assert_eq!((job.priority, job.unique(), job.queue.as_str()), (3, Some("o1"), "email"));
    assert_eq!(job.run_at().unwrap().timestamp_millis(), 1_700_000_600_000);
    assert_eq!(options.once, Some(("mail:o1".into(), Duration::from_hours(1))));
    assert_eq!(options.lane.as_ref().unwrap().key(), "c1");
    assert_eq!((cancels[0].0.as_str(), cancels[0].1.unique.as_str()), ("email", "o1"));
}

#[test]
fn old_versions_are_lifted_and_can_be_told_apart() {
    let routes = typed();
    routes.declare(vec![DeclaredRoute { version: Some(1), ..plain("old") }]);
    let old = plan_of(&routes, 1, &json!({ "order": "o1", "units": 2 })).unwrap();
    assert_eq!(old.jobs[1].payload(), r#"{"to":"old","total":200}"#);
    assert_eq!(plan(&routes).jobs.len(), 1);
}

#[test]
fn a_job_keeps_its_id_when_routes_come_go_and_change_places() {
    let routes = typed();
    routes.declare(vec![plain("a"), plain("b"), plain("b")]);
    let before = plan(&routes);
    let [typed, a, b, second_b] = ids(&before)[..] else { panic!("{before:?}") };
    assert_ne!(b, second_b, "two routes are two jobs, though they say the same");
    routes.declare(vec![plain("c"), plain("b"), plain("a")]);
    let after = plan(&routes);
    assert_eq!(ids(&after)[0], typed);
    assert_eq!(ids(&after)[2..], [b, a]);
    assert!(!ids(&before).contains(&ids(&after)[1]));
}

#[test]
fn a_batch_that_is_being_planned_keeps_its_routes() {
    let routes = typed();
    routes.declare(vec![plain("a")]);
    let table = routes.table();
    routes.declare(Vec::new());
    assert_eq!((table.outlines().len(), routes.table().outlines().len()), (2, 1));
    assert_eq!(table.outlines()[1].place.as_deref(), Some("millgate.toml:7"));
}

#[test]
fn what_an_event_does_not_have_is_poison_that_names_the_route() {
    for (fields, code, told) in [
        (json!({ "to": "$.email", "total": 1 }), "route_field_missing", "millgate.toml:7 needs $.email"),
        (json!({ "to": "for {$.items}", "total": 1 }), "route_field_not_text", "a text, a number"),
        (json!({ "to": "a", "total": "$.order" }), "route_bad_fields", "the fields of mail have another shape"),
        (json!({ "to": "$.email?", "total": 1 }), "route_bad_fields", "missing field `to`"),
    ] {
        let routes = typed();
        routes.declare(vec![route(&["$.order == 'o1'"], mail(&fields))]);
        let poison = plan_of(&routes, 2, &json!({ "order": "o1", "total": 1, "items": [] })).unwrap_err();
        assert_eq!(poison.code(), code);
        assert!(poison.to_string().contains(told), "{poison}");
        // An event that the route is not about needs nothing.
        assert_eq!(plan_of(&routes, 2, &json!({ "order": "o2", "total": 1 })).unwrap().jobs.len(), 1);
    }
}
