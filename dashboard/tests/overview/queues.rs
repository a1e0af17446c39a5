//! Queues: looked at, limited, paused, drained.

use millgate_dashboard::access::Role;
use millgate_jobs::{JobOptions, NewJob, Rate};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::desk::{Desk, Greet, XSS, viewer};

async fn fill(desk: &Desk, queue: &str, count: usize) {
    let queues = desk.redis.queues();
    let now = queues.queue(queue).now().await.unwrap();
    let job = |n| NewJob::new(&Greet { whom: format!("{n} {XSS}") }, JobOptions::default(), now).unwrap();
    queues.queue(queue).enqueue(&(0..count).map(job).collect::<Vec<_>>()).await.unwrap();
}

#[tokio::test]
async fn a_queue_is_shown_with_its_counts_kinds_and_limits() {
    let desk = Desk::open().await;
    fill(&desk, "email", 3).await;
    let page = desk.page("/queues/email").await;
    assert!(page.contains("href=\"/jobs?queue=email&amp;state=waiting\">3</a>"), "{page}");
    assert!(page.contains("id=\"kind-greet\"") && page.contains("/limits/keep_done_for"), "{page}");
    let api = desk.api("/queues/email").await;
    assert_eq!(
        (&api["name"], &api["waiting"], &api["kinds"]["greet"]["enqueued"]),
        (&json!("email"), &json!(3), &json!(3))
    );
    assert!(api["oldest_age_seconds"].is_u64());
    assert!(desk.page("/queues/crm.sync").await.contains("No job has ever come."));

    let (status, text) = desk.look("/queues/emial").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(text.contains("there is no queue `emial`") && text.contains("crm.sync, email"), "{text}");
    assert_eq!(desk.look("/api/queues/emial").await.0, StatusCode::NOT_FOUND);
    // One that only Redis knows.
    fill(&desk, "odd/one", 1).await;
    assert!(desk.page("/queues/odd%2Fone").await.contains("odd/one"));
}

#[tokio::test]
async fn limits_are_set_unset_and_refused_in_words() {
    let desk = Desk::open().await;
    let limits = async || desk.redis.queues().queue("email").stats().await.unwrap().limits;
    let action = json!({ "do": "limit-queue", "queue": "email", "limits": { "max_jobs": 5 } });
    let filled =
        [("/limits/max_jobs", ""), ("/limits/concurrency", "7"), ("/limits/rate", "10/s"), ("/limits/ageing", "2m")];
    let (status, page) = desk.submit(&action, &filled, "/queues/email").await;
    assert!(status.is_success() && page.contains("has its new limits"), "{page}");
    let set = limits().await;
    assert_eq!((set.max_jobs, set.concurrency), (None, Some(7)));
    assert_eq!(set.rate, Some(Rate { jobs: 10, per: std::time::Duration::from_secs(1) }));
    assert!(page.contains("value=\"10/1s\"") && page.contains("value=\"2m\""), "{page}");

    for (name, value, why) in [
        ("/limits/concurrency", "many", "`many` is no number from 1 on"),
        ("/limits/concurrency", "0", "to stop a queue, pause it"),
        ("/limits/rate", "often", "`often` is no rate such as 10/1s"),
        ("/limits/ageing", "60", "`60` is no time such as 30s"),
        ("/limits/keep_done_for", "1h", "say both, or neither"),
    ] {
        let (status, page) = desk.submit(&action, &[(name, value)], "/queues/email").await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{name} {value}");
        assert!(page.contains(why), "{page}");
    }
    assert_eq!(limits().await, set, "nothing of it was set");
    let entries = desk.api("/actions").await;
    desk.undo(&entries[0]["id"]).await;
    assert_eq!(limits().await, millgate_jobs::Limits::default());
}

#[tokio::test]
async fn a_queue_is_paused_drained_and_resumed() {
    let desk = Desk::open().await;
    let is = async |what: &str| desk.api("/queues/email").await[what] == true;
    let action = |what: &str| json!({ "do": what, "queue": "email" });
    let (_, paused) = desk.act(&action("pause-queue")).await;
    assert!(is("paused").await && desk.page("/queues/email").await.contains(">paused<"));
    desk.undo(&paused["id"]).await;
    assert!(!is("paused").await);
    let (_, page) = desk.submit(&action("drain-queue"), &[], "/queues/email").await;
    assert!(page.contains("Are you sure?") && !is("draining").await, "{page}");
    desk.submit(&action("drain-queue"), &[("sure", "yes")], "/queues/email").await;
    assert!(is("draining").await);
    desk.act(&action("resume-queue")).await;
    assert!(!is("draining").await);
}

#[tokio::test]
async fn who_only_looks_gets_no_buttons_and_is_refused() {
    let bob = viewer(Role::Viewer, &[("crm.*", Role::Operator)]);
    let desk = Desk::opened(bob, |site| site).await;
    let page = desk.page("/queues/email").await;
    assert!(!page.contains("/limits/") && !page.contains("Pause"), "{page}");
    let act = async |queue: &str| desk.act(&json!({ "do": "pause-queue", "queue": queue })).await;
    let (status, answer) = act("email").await;
    assert_eq!((status, answer["error"].is_string()), (StatusCode::FORBIDDEN, true));
    assert!(desk.page("/queues/crm.sync").await.contains("Pause"));
    let (status, answer): (_, Value) = act("crm.sync").await;
    assert_eq!(status, StatusCode::OK, "{answer}");
}
