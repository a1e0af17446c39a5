//! Everything that is done to jobs, and what undoes it.

use millgate_dashboard::access::Role;
use millgate_jobs::{JobId, JobOptions, JobState, Verdict, delay};
use serde_json::{Value, json};

use crate::desk::{DAY, Desk, greet, viewer};

fn named(what: &str, ids: &[JobId]) -> Value {
    json!({ "do": what, "jobs": { "queue": "email", "ids": ids } })
}

fn filtered(what: &str, filter: &Value) -> Value {
    json!({ "do": what, "jobs": { "queue": "email", "filter": filter } })
}

#[tokio::test]
async fn dead_jobs_run_again_by_id_and_by_filter() {
    let desk = Desk::open().await;
    let dead = desk.dead(5).await;
    let later = desk.enter(greet(9), delay(DAY)).await;
    let done = desk.act(&named("retry-jobs", &[dead[0], later])).await;
    assert_eq!((&done["count"], &done["text"]), (&json!(1), &json!("1 jobs run again")));
    assert_eq!(done["refused"], json!([format!("job {later} is delayed; `millgate jobs run-now` lets it run")]));
    assert!(done["undo"].is_null(), "a worker may have it by now: {done}");
    assert_eq!(desk.state(dead[0]).await, Some(JobState::Waiting));
    let done = desk.act(&filtered("retry-jobs", &json!({ "where": "payload.number=3" }))).await;
    assert_eq!(done["count"], 1);
    assert_eq!(desk.act(&filtered("retry-jobs", &json!({}))).await["count"], 3);
    assert_eq!(desk.queue.stats().await.unwrap().waiting, 5);
    desk.sound().await;
}

#[tokio::test]
async fn delayed_jobs_run_now_and_wait_again_when_that_is_undone() {
    let desk = Desk::open().await;
    let mut ids = Vec::new();
    for number in 0..3 {
        ids.push(desk.enter(greet(number), delay(DAY)).await);
    }
    let due = desk.view(ids[1]).await.unwrap().at;
    let one = desk.act(&named("run-jobs", &ids[..1])).await;
    assert_eq!(desk.state(ids[0]).await, Some(JobState::Waiting));
    let rest = desk.act(&filtered("run-jobs", &json!({ "state": "delayed" }))).await;
    assert_eq!(rest["count"], 2);
    // One is taken before somebody thinks better of it.
    assert_eq!(desk.end(Verdict::Done).await, ids[0]);
    let undone = desk.undo(&one).await;
    assert_eq!((&undone["count"], undone["refused"].as_array().unwrap().len()), (&json!(0), 1), "{undone}");
    assert_eq!(desk.undo(&rest).await["count"], 2);
    let job = desk.view(ids[1]).await.unwrap();
    assert_eq!((job.state, job.at), (JobState::Delayed, due));
    desk.sound().await;
}

#[tokio::test]
async fn jobs_are_cancelled_and_deleted_and_put_back_as_they_were() {
    let desk = Desk::open().await;
    let dead = desk.dead(1).await[0];
    let running = {
        desk.enter(greet(50), JobOptions::default()).await;
        desk.take().await
    };
    let many = desk.enter_many(300).await;
    let later = desk.enter(greet(500), delay(DAY).unique("k")).await;

    let cancelled = desk.act(&named("cancel-jobs", &[running.key(), later])).await;
    assert_eq!((&cancelled["count"], &cancelled["stopping"]), (&json!(1), &json!(1)));
    assert_eq!(cancelled["text"], "1 jobs are cancelled, 1 run and are told to stop");
    assert!(desk.view(running.key()).await.unwrap().stopping);
    desk.hand.settle(&[(running, Verdict::Cancel { reason: "told to".into() })]).await.unwrap();
    assert_eq!(desk.undo(&cancelled).await["count"], 1, "what runs is not put back");
    let back = desk.queue.find("id", later.as_str(), None, 9).await.unwrap()[0];
    let job = desk.view(back).await.unwrap();
    assert_eq!((job.state, job.unique.as_deref(), job.id.as_str()), (JobState::Delayed, Some("k"), later.as_str()));

    let deleted = desk.act(&filtered("delete-jobs", &json!({}))).await;
    assert_eq!(deleted["count"], 302);
    let stats = desk.queue.stats().await.unwrap();
    assert_eq!((stats.waiting, stats.delayed, stats.unburied), (0, 0, 0));
    assert_eq!(desk.undo(&deleted).await["text"], "302 jobs are back in queue email");
    let stats = desk.queue.stats().await.unwrap();
    assert_eq!((stats.waiting, stats.delayed, stats.unburied), (300, 1, 1));
    // Each is found by the id that it had.
    for id in [dead, many[0], many[299]] {
        let page = desk.api(&format!("/jobs/email/{id}")).await;
        assert_eq!(page["id"], id.as_str());
    }
    let again = desk.post("/api/actions/undo", &json!({ "entry": deleted["id"] })).await;
    assert!(again.status == 400 && again.text.contains("it is undone already"), "{}", again.text);
    desk.sound().await;
}

#[tokio::test]
async fn jobs_move_and_come_back() {
    let desk = Desk::open().await;
    let ids = desk.enter_many(3).await;
    let to = |action: Value| {
        let mut action = action;
        action["to"] = "crm.sync".into();
        action
    };
    let moved = desk.act(&to(named("move-jobs", &ids[..1]))).await;
    assert_eq!(moved["text"], "1 jobs are moved to crm.sync");
    let all = desk.act(&to(filtered("move-jobs", &json!({ "state": "waiting" })))).await;
    assert_eq!(all["count"], 2);
    assert_eq!(desk.other.stats().await.unwrap().waiting, 3);
    assert_eq!(desk.undo(&all).await["count"], 2);
    assert_eq!(desk.undo(&moved).await["count"], 1);
    assert_eq!((desk.queue.stats().await.unwrap().waiting, desk.other.stats().await.unwrap().waiting), (3, 0));
    let (status, why) =
        desk.refused(&json!({ "do": "move-jobs", "jobs": { "queue": "email", "filter": {} }, "to": "emial" })).await;
    assert!(status == 404 && why.contains("there is no queue `emial`"), "{why}");
    let (status, why) =
        desk.refused(&json!({ "do": "move-jobs", "jobs": { "queue": "email", "filter": {} }, "to": "email" })).await;
    assert!(status == 400 && why.contains("they are in email already"), "{why}");
    desk.sound().await;
}

#[tokio::test]
async fn many_are_counted_and_asked_about_first() {
    let desk = Desk::open().await;
    let ids = desk.enter_many(3).await;
    let by_filter = filtered("cancel-jobs", &json!({ "kind": "greet" }));
    let preview = desk.post("/api/actions?dry_run=true", &by_filter).await.json();
    assert_eq!((&preview["count"], &preview["asks"]), (&json!(3), &json!(true)));
    assert_eq!(preview["text"], "cancel all jobs of kind greet in queue email");
    assert!(preview["warning"].as_str().unwrap().contains("that cannot be undone"), "{preview}");

    // As the page does it: the ids are a text, and the first answer is a question.
    let action = r#"{"do":"delete-jobs","jobs":{"queue":"email"}}"#;
    let chosen = json!([ids[0], ids[1]]).to_string();
    let fields = [("action", action), ("/jobs/ids", chosen.as_str()), ("back", "/jobs?queue=email")];
    let asked = desk.submit(&fields).await;
    assert_eq!(asked.status, 200, "{}", asked.text);
    assert!(
        asked.text.contains("Are you sure?") && asked.text.contains("<strong id=\"count\">2</strong>"),
        "{}",
        asked.text
    );
    assert_eq!(desk.queue.stats().await.unwrap().waiting, 3);
    let sure = [("action", action), ("/jobs/ids", chosen.as_str()), ("back", "/jobs?queue=email"), ("sure", "yes")];
    let done = desk.submit(&sure).await;
    assert!(done.status == 303 && done.location.starts_with("/jobs?queue=email&done="), "{}", done.location);
    let page = desk.page(&done.location).await;
    assert!(page.contains("2 jobs are deleted") && page.contains("Undo"), "{page}");
    // Nothing that is chosen is not everything.
    let none = desk.submit(&[("action", action), ("back", "/jobs"), ("/jobs/ids", "[]"), ("sure", "yes")]).await;
    assert!(none.status == 400 && none.text.contains("no job is named"), "{}", none.text);
    let both = json!({ "do": "delete-jobs", "jobs": { "queue": "email", "ids": ids, "filter": {} } });
    assert!(desk.refused(&both).await.1.contains("not both"));
    let (_, why) = desk.refused(&filtered("retry-jobs", &json!({ "state": "done" }))).await;
    assert!(why.contains("is for jobs that are dead; not for done ones"), "{why}");
    assert_eq!(desk.queue.stats().await.unwrap().waiting, 1);
}

#[tokio::test]
async fn what_is_too_much_to_be_kept_says_that_it_cannot_be_undone() {
    let desk = Desk::open().await;
    desk.enter_many(1_001).await;
    let done = desk.act(&filtered("cancel-jobs", &json!({}))).await;
    assert_eq!(done["count"], 1_001);
    assert!(done["text"].as_str().unwrap().contains("which cannot be undone: they are more than 1000"), "{done}");
    let undo = desk.post("/api/actions/undo", &json!({ "entry": done["id"] })).await;
    assert!(undo.status == 400 && undo.text.contains("cannot be undone"), "{}", undo.text);
    // Few, and large.
    let large = crate::desk::Greet { whom: "x".repeat(100 << 10), number: 1 };
    let mut ids = vec![desk.enter(large, JobOptions::default()).await];
    for _ in 0..2 {
        let large = crate::desk::Greet { whom: "x".repeat(100 << 10), number: 1 };
        ids.push(desk.enter(large, JobOptions::default()).await);
    }
    let done = desk.act(&named("delete-jobs", &ids)).await;
    assert!(done["undo"].is_null() && done["text"].as_str().unwrap().contains("larger than 256 kB"), "{done}");
    desk.sound().await;
}

#[tokio::test]
async fn what_takes_long_is_done_in_the_background() {
    let desk = Desk::open().await;
    desk.enter_many(700).await;
    let action = r#"{"do":"delete-jobs","jobs":{"queue":"email","filter":{}}}"#;
    let begun = desk.submit(&[("action", action), ("back", "/jobs"), ("sure", "yes")]).await;
    assert!(begun.status == 303 && begun.location.starts_with("/tasks/"), "{}", begun.location);
    let ended = async || desk.page(&begun.location).await.contains("700 jobs are deleted");
    millgate_testkit::wait_until("the task ends", std::time::Duration::from_mins(1), ended).await;
    assert_eq!(desk.queue.stats().await.unwrap().waiting, 0);
}

#[tokio::test]
async fn who_may_not_does_not() {
    let desk = Desk::of(viewer(Role::Viewer, &[("crm.*", Role::Operator)])).await;
    let ids = desk.enter_many(2).await;
    for action in [
        named("cancel-jobs", &ids),
        named("delete-jobs", &ids),
        named("retry-jobs", &ids),
        named("run-jobs", &ids),
        json!({ "do": "move-jobs", "jobs": { "queue": "email", "ids": ids }, "to": "crm.sync" }),
        json!({ "do": "edit-job", "queue": "email", "id": ids[0], "payload": {} }),
        json!({ "do": "put-back-jobs", "queue": "email", "jobs": [] }),
        json!({ "do": "delay-jobs", "queue": "email", "times": {} }),
    ] {
        let (status, why) = desk.refused(&action).await;
        assert!(status == 403 && why.contains("bob may not"), "{action}: {status} {why}");
        assert_eq!(desk.post("/api/actions?dry_run=true", &action).await.status, 403);
    }
    assert_eq!(desk.queue.stats().await.unwrap().waiting, 2);
    // In their own queue they may, but not into another.
    let job = millgate_jobs::NewJob::of(&greet(1), JobOptions::default()).unwrap();
    let id = desk.other.enqueue(&[job]).await.unwrap()[0].id().unwrap();
    let away = json!({ "do": "move-jobs", "jobs": { "queue": "crm.sync", "ids": [id] }, "to": "email" });
    assert_eq!(desk.refused(&away).await.0, 403);
    let cancel = json!({ "do": "cancel-jobs", "jobs": { "queue": "crm.sync", "ids": [id] } });
    assert_eq!(desk.act(&cancel).await["count"], 1);
}

#[tokio::test]
async fn an_operator_removes_a_thousand_by_a_filter_and_not_more() {
    let desk = Desk::of(viewer(Role::Operator, &[])).await;
    desk.enter_many(1_001).await;
    let all = filtered("delete-jobs", &json!({}));
    let (status, why) = desk.refused(&all).await;
    assert!(status == 403 && why.contains("delete more than 1000 jobs by a filter"), "{why}");
    assert_eq!(desk.post("/api/actions?dry_run=true", &all).await.status, 403);
    desk.end(Verdict::Done).await;
    assert_eq!(desk.act(&all).await["count"], 1_000);
}
