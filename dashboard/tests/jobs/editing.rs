//! Other arguments for a job.

use millgate_dashboard::access::Role;
use millgate_jobs::{JobOptions, JobState, delay};
use serde_json::json;

use crate::desk::{DAY, Desk, greet, viewer};

#[tokio::test]
async fn a_job_runs_with_arguments_that_fit_it_and_with_no_others() {
    let desk = Desk::open().await;
    let dead = desk.dead(1).await[0];
    let edit =
        |id, payload: serde_json::Value| json!({ "do": "edit-job", "queue": "email", "id": id, "payload": payload });
    for (payload, message) in [
        (json!({ "whom": "ann" }), "missing field `number`"),
        (json!({ "whom": 7, "number": 7 }), "expected a string"),
        (json!([1]), "are an object"),
    ] {
        let (status, why) = desk.refused(&edit(dead, payload)).await;
        assert!(status == 400 && why.contains(message), "{message}: {why}");
    }
    // As the form sends it: a text.
    let broken =
        desk.submit(&[("action", &edit(dead, json!(null)).to_string()), ("/payload", "{whom}"), ("back", "/")]).await;
    assert!(broken.status == 400 && broken.text.contains("the arguments are no JSON"), "{}", broken.text);
    assert_eq!(desk.state(dead).await, Some(JobState::Dead));
    let page = desk.page(&format!("/jobs/email/{dead}")).await;
    assert!(page.contains("name=\"/payload\"") && page.contains("Run with these"), "{page}");
    let form = edit(dead, json!(null)).to_string();
    let back = format!("/jobs/email/{dead}");
    let typed = "{\n  \"whom\": \"ann@mail.example\",\n  \"number\": 7\n}";
    let done = desk.submit(&[("action", &form), ("/payload", typed), ("back", &back)]).await;
    assert!(done.status == 303 && done.location.starts_with(&back), "{}", done.text);
    let job = desk.view(dead).await.unwrap();
    assert_eq!((job.state, job.attempts), (JobState::Waiting, 0));
    assert_eq!(job.payload, r#"{"number":7,"whom":"ann@mail.example"}"#);

    let later = desk.enter(greet(1), delay(DAY)).await;
    let done = desk.act(&edit(later, json!({ "whom": "bob", "number": 8 }))).await;
    assert!(done["undo"].is_null() && done["text"].as_str().unwrap().contains("cannot be undone"), "{done}");
    assert_eq!(desk.state(later).await, Some(JobState::Waiting));
    let running = desk.take().await;
    let (status, why) = desk.refused(&edit(running.key(), json!({ "whom": "bob", "number": 8 }))).await;
    assert!(status == 400 && why.contains("is active; only jobs that wait"), "{why}");
    let gone = desk.refused(&edit("0mwqnd2k1003".parse().unwrap(), json!({}))).await;
    assert_eq!(gone.0, 404);
    desk.sound().await;
}

#[tokio::test]
async fn who_may_not_edit_sees_no_form() {
    let desk = Desk::of(viewer(Role::Viewer, &[("crm.*", Role::Operator)])).await;
    let id = desk.enter(greet(1), JobOptions::default()).await;
    assert!(!desk.page(&format!("/jobs/email/{id}")).await.contains("/payload"));
}
