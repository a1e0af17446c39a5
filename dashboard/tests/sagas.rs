//! Sagas, as operators see them and act on them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails says where")]

#[allow(dead_code, reason = "shared by tests, each of which uses a part")]
mod office;

use std::sync::Arc;

use axum::http::StatusCode;
use millgate_bridge::saga::{Definitions, Input, Saga, SagaStatus, SagaStore, Sagas, Step};
use millgate_dashboard::{
    DashboardConfig, Site,
    access::{Mask, Role, Viewer},
    act::entries,
    web,
};
use millgate_events::{Outbox, SagaEvent, StepCommand};
use office::{EVIL, Office};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

#[derive(Serialize, Deserialize)]
struct Move {
    parcel: String,
    pin: String,
}

macro_rules! command {
    ($name:ident, $topic:literal) => {
        #[derive(Clone, Serialize, Deserialize)]
        struct $name {
            parcel: String,
        }

        impl StepCommand for $name {
            type Reply = Value;
            const TOPIC: &'static str = concat!("saga.parcel.", $topic, ".command");
            const DONE: &'static str = concat!("saga.parcel.", $topic, "-done.event");
            const FAILED: &'static str = concat!("saga.parcel.", $topic, "-failed.event");
        }
    };
}

command!(FetchParcel, "fetch");
command!(ReturnParcel, "return");
command!(DriveParcel, "drive");

fn definitions() -> Definitions {
    let saga = Saga::<Move>::named("parcel")
        .step(
            Step::command("fetch", |state: &Move| FetchParcel { parcel: state.parcel.clone() })
                .compensate("return", |state: &Move| ReturnParcel { parcel: state.parcel.clone() })
                .compensation_retries(0),
        )
        .step(Step::command("drive", |state: &Move| DriveParcel { parcel: state.parcel.clone() }));
    let mut definitions = Definitions::default();
    definitions.add(saga.build().unwrap()).unwrap();
    definitions
}

struct Desk {
    office: Office,
    sagas: Sagas,
    store: SagaStore,
}

impl Desk {
    async fn open() -> Self {
        let mut office = Office::open("sagas").await;
        let sagas = Sagas::new(Arc::new(definitions()), Outbox::new("parcels"));
        let store = SagaStore::new(office.database.as_ref().unwrap().pool().clone(), sagas.clone());
        // What an event hides is hidden in the saga that has it from there.
        let mask = Mask::default().event("parcel.wanted", ["pin"]);
        let site = Site { sagas: Some(store.clone()), mask, ..office.site() };
        office.router = web::router(site, &DashboardConfig::default());
        Self { office, sagas, store }
    }

    async fn begin(&self, parcel: &str) -> Uuid {
        let mut transaction = self.office.database.as_ref().unwrap().pool().begin().await.unwrap();
        let state = Move { parcel: parcel.into(), pin: "4711".into() };
        let id = self.sagas.start(&mut transaction, "parcel", parcel, &state).await.unwrap();
        transaction.commit().await.unwrap();
        id
    }

    async fn reply(&self, id: Uuid, step: &str, success: bool) {
        let reply = json!({
            "message_id": Uuid::now_v7(), "saga_id": id, "step_name": step, "success": success, "data": {},
            "error_message": if success { "" } else { EVIL }, "error_code": if success { "" } else { "not_found" },
            "started_at": "2026-03-01T12:00:00Z", "finished_at": "2026-03-01T12:00:01Z", "duration": 1000,
        });
        let reply: SagaEvent = serde_json::from_value(reply).unwrap();
        self.store.act(id, &Input::Reply(reply)).await.unwrap();
    }

    async fn status(&self, id: Uuid) -> SagaStatus {
        self.store.show(id).await.unwrap().unwrap().row.status
    }

    async fn act(&self, viewer: Viewer, action: &Value, sure: &[(&str, &str)]) -> (StatusCode, String) {
        let action = action.to_string();
        let fields = [&[("csrf", ""), ("action", action.as_str()), ("back", "/sagas")], sure].concat();
        self.office.post("/actions", viewer, &fields).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_is_found_and_its_steps_and_timeline_are_shown() {
    let desk = Desk::open().await;
    let (first, second) = (desk.begin("p1").await, desk.begin(EVIL).await);
    desk.reply(first, "fetch", true).await;

    let list = desk.office.page("/sagas").await;
    assert!(list.contains(&first.to_string()) && list.contains(&second.to_string()), "{list}");
    let of_one = desk.office.json("/api/sagas?key=p1&status=open").await;
    assert_eq!(of_one["sagas"].as_array().unwrap().len(), 1);
    assert_eq!((&of_one["sagas"][0]["done"], &of_one["sagas"][0]["steps"]), (&json!(1), &json!(2)));
    let none = desk.office.page("/sagas?status=stuck").await;
    assert!(none.contains("None matches."), "{none}");
    let (status, said) = desk.office.get("/api/sagas?status=lost").await;
    assert!(status == StatusCode::BAD_REQUEST && said.contains("there are: open, running"), "{said}");

    let page = desk.office.page(&format!("/sagas/{first}")).await;
    for shown in ["fetch", "return", "drive", "command sent", "What happened", "sent", "done"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(!page.contains("4711"), "the state is masked: {page}");
    assert_eq!(desk.office.json("/api/sagas/p1").await["progress"][0]["status"], "done");
    let (status, _) = desk.office.get(&format!("/sagas/{}", Uuid::nil())).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    // What nobody means is no fault of PostgreSQL or Redis.
    let odd = [
        ("/api/sagas?after=nonsense", StatusCode::BAD_REQUEST, "is no place in the list of sagas"),
        (
            "/api/sagas?after=-8000000000000000000/00000000-0000-0000-0000-000000000000",
            StatusCode::BAD_REQUEST,
            "no place",
        ),
        ("/api/sagas?key=%00", StatusCode::OK, "[]"),
        ("/api/sagas?saga=%00", StatusCode::OK, "[]"),
        ("/sagas/%00", StatusCode::NOT_FOUND, ""),
        ("/api/actions?before=foo", StatusCode::BAD_REQUEST, "is no id of an entry"),
        ("/audit?before=1-x", StatusCode::BAD_REQUEST, "is no id of an entry"),
    ];
    for (path, expected, text) in odd {
        let (status, said) = desk.office.get(path).await;
        assert!(status == expected && said.contains(text), "{path}: {status} {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_take_back_what_a_saga_cannot() {
    let desk = Desk::open().await;
    let id = desk.begin("p1").await;
    desk.reply(id, "fetch", true).await;
    desk.reply(id, "drive", false).await;
    desk.reply(id, "return", false).await;
    assert_eq!(desk.status(id).await, SagaStatus::Stuck);
    let page = desk.office.page(&format!("/sagas/{id}")).await;
    assert!(page.contains("cannot be taken back") && page.contains("It was taken back by hand"), "{page}");

    let resolve = json!({ "do": "resolve-saga", "saga": id, "why": "carried it back" });
    let sure = [("sure", "yes")];
    let (status, _) = desk.act(Viewer { role: Role::Viewer, ..Viewer::everything("bob") }, &resolve, &sure).await;
    assert_eq!((status, desk.status(id).await), (StatusCode::FORBIDDEN, SagaStatus::Stuck));
    let (status, asked) = desk.act(Viewer::everything("ann"), &resolve, &[]).await;
    assert!(status == StatusCode::OK && asked.contains("Are you sure?"), "{asked}");
    assert_eq!(desk.status(id).await, SagaStatus::Stuck, "it is asked first");
    let (status, said) = desk.act(Viewer::everything("ann"), &resolve, &sure).await;
    assert_eq!((status, desk.status(id).await), (StatusCode::SEE_OTHER, SagaStatus::Compensated), "{said}");
    let entry = &entries(&desk.office.site(), None, 1).await.unwrap()[0];
    assert!(entry.who == "ann" && entry.text.contains(&id.to_string()), "{entry:?}");
}
