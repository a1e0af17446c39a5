//! Dead letters, as operators see them and act on them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails says where")]

#[allow(dead_code, reason = "shared by tests, each of which uses a part")]
mod office;

use std::{sync::Arc, time::Duration};

use axum::http::StatusCode;
use millgate_dashboard::{
    Reader,
    access::{Role, Viewer},
    act::{self, Action, Actor, Redriving, Via, Work, entries, perform, preview},
};
use millgate_events::{DeadLetter, DeadLetters, LetterFilter, LetterStatus, Producer};
use millgate_jobs::Rate;
use millgate_testkit::wait_until;
use office::{EVIL, Office, PATIENCE};

fn ann() -> Actor {
    Actor { viewer: Viewer::everything("ann"), via: Via::CommandLine }
}

fn all() -> LetterFilter {
    LetterFilter { code: Some("unknown_type".into()), ..LetterFilter::default() }
}

fn redriving(rate: Option<Rate>) -> Action {
    let why = "it is known now".to_owned();
    Action::RedriveLetters(Redriving { letters: all(), why, rate, ..Redriving::default() })
}

/// How often a job was ever put into the queue, and how many wait there.
async fn enqueued(office: &Office) -> (u64, u64) {
    let stats = office.queues.queue("search").stats().await.unwrap();
    (stats.enqueued(), stats.waiting)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paced_redrive_that_is_stopped_goes_on_and_does_nothing_twice() {
    let office = Office::open("paced").await;
    office.kafka.create("dead-letter-queue", 1).await;
    office.bury(40).await;
    let site = Arc::new(office.site());
    // By the routes of yesterday, which do not know the event.
    let mut yesterday = office.site();
    yesterday.readers = Arc::new(vec![Reader { name: "main", routes: Arc::default(), kafka: office.config() }]);
    let stays = preview(&yesterday, &ann(), &redriving(None)).await.unwrap();
    assert!(stays.figures["redriven"] == 0 && stays.refused[0].contains("parcel.lost is unknown here"), "{stays:?}");

    let before = preview(&site, &ann(), &redriving(None)).await.unwrap();
    assert_eq!((before.count, before.figures["jobs_of_events"], before.asks), (Some(40), 40, true));
    assert_eq!(enqueued(&office).await, (0, 0), "a preview changes nothing");

    let work = Work::new();
    let (ours, theirs) = (work.clone(), site.clone());
    let slow = redriving(Some(Rate { jobs: 8, per: Duration::from_secs(1) }));
    let running = tokio::spawn(async move { perform(&theirs, &ann(), &slow, &ours).await.unwrap() });
    wait_until("some are back", PATIENCE, async || work.progress().0 >= 4).await;
    assert_eq!(work.progress().1, 40);
    work.stop();
    let stopped = running.await.unwrap();
    let first = stopped.count.unwrap();
    assert!((4..40).contains(&first) && stopped.text.starts_with("stopped: "), "{stopped:?}");
    assert_eq!(enqueued(&office).await, (first, first));
    assert_eq!(office.count(LetterStatus::Dead).await, 40 - first);

    // Twice at once, as by two who do not know of each other.
    let (again, twice) = (redriving(None), redriving(None));
    let (one, other) = (Work::new(), Work::new());
    let (actor, another) = (ann(), ann());
    let (one, other) = tokio::join!(perform(&site, &actor, &again, &one), perform(&site, &another, &twice, &other));
    let rest = one.unwrap().count.unwrap() + other.unwrap().count.unwrap();
    assert_eq!((first + rest, enqueued(&office).await), (40, (40, 40)));
    assert_eq!(office.count(LetterStatus::Redriven).await, 40);
    let audit = entries(&site, None, 10).await.unwrap();
    assert_eq!(audit.iter().filter(|entry| entry.who == "ann" && entry.action == redriving(None)).count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_discarded_on_the_page_is_asked_about_kept_with_why_and_can_be_undone() {
    let office = Office::open("discard").await;
    office.kafka.create("dead-letter-queue", 1).await;
    office.bury(3).await;
    let action = r#"{"do":"discard-letters","letters":{"code":"unknown_type"}}"#;
    let (viewer, back) = (Viewer { role: Role::Viewer, ..Viewer::everything("bob") }, ("back", "/dead"));
    let fields = [("action", action), ("/why", "[7] test parcels"), back];
    let (status, said) = office.post("/actions", viewer, &fields).await;
    assert_eq!((status, office.count(LetterStatus::Dead).await), (StatusCode::FORBIDDEN, 3), "{said}");

    let ann = || Viewer::everything("ann");
    let (status, asked) = office.post("/actions", ann(), &fields).await;
    assert!(status == StatusCode::OK && asked.contains("3 letters would be discarded"), "{asked}");
    assert_eq!(office.count(LetterStatus::Dead).await, 3, "nobody was sure");
    let sure = [fields.as_slice(), &[("sure", "yes")]].concat();
    let (status, to) = office.post("/actions", ann(), &sure).await;
    assert_eq!((status, office.count(LetterStatus::Discarded).await), (StatusCode::SEE_OTHER, 3), "{to}");
    let entry = to.split("done=").nth(1).unwrap();
    let site = office.site();
    let undo = act::entry(&site, entry).await.unwrap().unwrap().undo.unwrap();
    assert_eq!(preview(&site, &self::ann(), &undo).await.unwrap().count, Some(3));

    let (status, _) = office.post("/actions/undo", ann(), &[("entry", entry), back]).await;
    assert_eq!((status, office.count(LetterStatus::Dead).await), (StatusCode::SEE_OTHER, 3));
    let (status, again) = office.post("/actions/undo", ann(), &[("entry", entry), back]).await;
    assert!(status == StatusCode::BAD_REQUEST && again.contains("undone already"), "{again}");
    // By the action itself there is nothing left to take back either.
    let (status, again) =
        office.post("/actions", ann(), &[("action", &serde_json::to_string(&undo).unwrap()), back]).await;
    assert!(status == StatusCode::NOT_FOUND && again.contains("dealt with since"), "{again}");

    let unsigned = office.post("/actions", ann(), &[("action", action), ("sure", "yes"), back]).await;
    assert!(unsigned.0 == StatusCode::BAD_REQUEST && unsigned.1.contains("say why"), "{unsigned:?}");
    let everything = r#"{"do":"discard-letters","letters":{},"why":"x"}"#;
    let (status, said) = office.post("/actions", ann(), &[("action", everything), back]).await;
    assert!(status == StatusCode::BAD_REQUEST && said.contains("all at once is never meant"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_grouped_by_cause_with_trend_and_what_they_share() {
    let office = Office::open("causes").await;
    office.kafka.create("dead-letter-queue", 1).await;
    office.bury(7).await;
    let causes = office.json("/api/dead-letters/groups").await;
    let cause = &causes[0];
    assert_eq!(
        (causes.as_array().unwrap().len(), &cause["letters"], &cause["what"][0]),
        (1, &7.into(), &"parcel.lost".into())
    );
    let trend: Vec<i64> = serde_json::from_value(cause["trend"].clone()).unwrap();
    assert_eq!((trend.len(), trend.iter().sum::<i64>(), trend[22]), (24, 7, 7), "{trend:?}");
    let week = office.json("/api/dead-letters/groups?trend=week&kind=event").await;
    assert_eq!((week[0]["trend"].as_array().unwrap().len(), &week[0]["trend"][27]), (28, &7.into()));
    assert_eq!(office.json("/api/dead-letters/groups?kind=job").await, serde_json::json!([]));

    let fingerprint = cause["fingerprint"].as_str().unwrap();
    let list = office.page("/dead").await;
    assert!(list.contains(&format!("/dead/{fingerprint}")) && list.contains("Deaths in 24 hours: 7"), "{list}");
    let page = office.page(&format!("/dead/{fingerprint}?limit=3")).await;
    assert!(page.contains("All have topic") && page.contains(&office.kafka.name("parcel.lost")), "{page}");
    assert!(page.contains("All have consumer group") && page.contains("redrive-letters"), "{page}");
    let further = page.split("id=\"older\" href=\"").nth(1).unwrap().split('"').next().unwrap().replace("&amp;", "&");
    let first: Vec<&str> = ids(&page);
    let second = office.page(&further).await;
    assert_eq!((first.len(), ids(&second).len()), (3, 4), "all that is left: the limit is not kept");
    assert!(first.iter().all(|id| !ids(&second).contains(id)));
    assert!(office.page("/dead/000000000000").await.contains("Nothing is dead of this any more"));
}

fn ids(page: &str) -> Vec<&str> {
    page.split("tr id=\"letter-").skip(1).map(|rest| &rest[..36]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_letter_brings_along_comes_out_as_text_and_no_formula() {
    let office = Office::open("letter-xss").await;
    office.kafka.create("dead-letter-queue", 1).await;
    let dead = DeadLetters::new(Producer::new(&office.config(), "test").unwrap(), "dead-letter-queue")
        .stored_in(office.store());
    let value = serde_json::json!({ "parcel": EVIL, EVIL: 1 }).to_string();
    let headers = [("ce_id", EVIL), ("ce_type", EVIL), ("ce_source", EVIL), (EVIL, EVIL), ("ce_specversion", "1.0")];
    let record = office.record(1, &value, &headers);
    let now = office.store().unwrap().now().await.unwrap();
    let letter = DeadLetter::of_event(&record, EVIL, EVIL, "=HYPERLINK(\"evil\")", now);
    dead.write(&letter).await.unwrap();
    let id = letter.id();
    let page = office.page(&format!("/dead/letter/{id}")).await;
    assert!(page.matches("&lt;script&gt;alert").count() >= 6, "{page}");
    assert!(page.contains("/events/%3Cscript%3Ealert"), "{page}");
    for path in ["/dead".to_owned(), format!("/dead/{}", letter_fingerprint(&office).await)] {
        assert!(office.page(&path).await.contains("&lt;script&gt;"), "{path}");
    }
    let (status, csv) = office.get("/dead/export?format=csv").await;
    assert_eq!(status, StatusCode::OK);
    assert!(csv.starts_with("id,kind,") && csv.contains("\"'=HYPERLINK(\"\"evil\"\")\""), "{csv}");
    let (_, lines) = office.get("/dead/export?format=json").await;
    assert_eq!(serde_json::from_str::<serde_json::Value>(lines.trim()).unwrap()["id"], id.to_string());

    let whole = office.json(&format!("/api/dead-letters/{id}")).await;
    assert_eq!((&whole["payload"]["parcel"], &whole["key"]), (&EVIL.into(), &EVIL.into()));
    for (path, status) in [
        ("/dead/letter/0192f0c4-7a5b-7cc0-b1a8-00dead00beef", StatusCode::NOT_FOUND),
        ("/dead/letter/x", StatusCode::NOT_FOUND),
        ("/api/dead-letters/x", StatusCode::NOT_FOUND),
        ("/dead?kind=mail", StatusCode::BAD_REQUEST),
        ("/api/dead-letters?status=gone", StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(office.get(path).await.0, status, "{path}");
    }
}

async fn letter_fingerprint(office: &Office) -> String {
    office.json("/api/dead-letters").await["letters"][0]["fingerprint"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_is_edited_on_its_page_and_the_edit_undone() {
    let office = Office::open("edit").await;
    office.kafka.create("dead-letter-queue", 1).await;
    office.bury(1).await;
    let id = office.json("/api/dead-letters").await["letters"][0]["id"].as_str().unwrap().to_owned();
    let action = format!(r#"{{"do":"edit-letter","letter":"{id}"}}"#);
    let edit = async |payload: &str| {
        let fields = [("action", action.as_str()), ("/payload", payload), ("/why", "4711"), ("back", "/dead")];
        office.post("/actions", Viewer::everything("ann"), &fields).await
    };
    let (status, said) = edit("{\"parcel\": ").await;
    assert!(status == StatusCode::BAD_REQUEST && said.contains("the payload is no JSON"), "{said}");
    let (status, to) = edit(r#"{"parcel": "another"}"#).await;
    assert_eq!(status, StatusCode::SEE_OTHER, "{to}");
    let shown = office.json(&format!("/api/dead-letters/{id}")).await;
    assert_eq!((&shown["payload"]["parcel"], &shown["edited"]["parcel"]), (&"p0".into(), &"another".into()));
    assert_eq!((&shown["actions"][0]["what"], &shown["actions"][0]["why"]), (&"edit".into(), &"4711".into()));
    let entry = to.split("done=").nth(1).unwrap();
    office.post("/actions/undo", Viewer::everything("ann"), &[("entry", entry)]).await;
    assert!(office.json(&format!("/api/dead-letters/{id}")).await.get("edited").is_none());
    let misfit = Action::EditLetter { letter: id.parse().unwrap(), payload: Some("7".into()), why: "x".into() };
    let told = preview(&office.site(), &ann(), &misfit).await.unwrap();
    assert!(told.refused[0].contains("redriven it would stay dead"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_database_the_page_says_what_to_do() {
    let office = Office::with("no-table", None);
    let page = office.page("/dead").await;
    assert!(page.contains("set postgres.url") && page.contains("dead-letter-queue"), "{page}");
    let (status, said) = office.get("/api/dead-letters").await;
    assert!(status == StatusCode::NOT_FOUND && said.contains("postgres.url"), "{said}");
    let refused = perform(&office.site(), &ann(), &redriving(None), &Work::new()).await.unwrap_err();
    assert!(refused.to_string().contains("postgres.url"), "{refused}");
}
