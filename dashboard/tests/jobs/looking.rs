//! The page of a job.

use std::time::Duration;

use millgate_jobs::{JobId, JobOptions, Limits, NewJob, Origin, Rate, Verdict, delay};

use crate::desk::{DAY, Desk, failure, greet, viewer};

#[tokio::test]
async fn a_job_of_every_state_says_why_it_is_not_running() {
    let desk = Desk::open().await;
    desk.queue.limit(&Limits { keep_done: Some(10), ..Limits::default() }).await.unwrap();
    let says = async |id: JobId, words: &str| {
        let why = desk.api(&format!("/jobs/email/{id}")).await["why"].as_str().unwrap().to_owned();
        assert!(why.contains(words), "{words}: {why}");
        let page = desk.page(&format!("/jobs/email/{id}")).await;
        let first = words.split(['`', '\'']).next().unwrap();
        assert!(page.contains(first), "{words}: {page}");
    };
    let id = desk.enter(greet(1), JobOptions::default()).await;
    says(id, "it waits for a worker, among 1 jobs; none runs").await;
    desk.queue.pause().await.unwrap();
    says(id, "its queue is paused").await;
    desk.queue.resume().await.unwrap();
    let rate = Rate { jobs: 5, per: Duration::from_mins(1) };
    let limits = Limits { rate: Some(rate), concurrency: Some(1), keep_done: Some(10), ..Limits::default() };
    desk.queue.limit(&limits).await.unwrap();
    says(id, "its queue starts no more than 5 jobs in 1m").await;
    let running = desk.take().await;
    says(id, "it runs").await;
    let next = desk.enter(greet(2), JobOptions::default()).await;
    says(next, "its queue runs 1 at a time, its limit, and has them").await;
    desk.queue.limit(&Limits { keep_done: Some(10), ..Limits::default() }).await.unwrap();
    running.notes(&desk.queue).progress(40.0).await.unwrap();
    running.notes(&desk.queue).log("half <b>of</b> the list").await.unwrap();
    let page = desk.page(&format!("/jobs/email/{id}")).await;
    assert!(page.contains("40 % done") && page.contains("half &lt;b&gt;of&lt;/b&gt; the list"), "{page}");
    desk.queue.stop(&[id]).await.unwrap();
    says(id, "it runs, and is told to stop").await;
    desk.hand.settle(&[(running, Verdict::Done)]).await.unwrap();
    says(id, "it is done, and kept").await;

    let failed = desk.end(Verdict::Retry { after: DAY, failure: failure() }).await;
    assert_eq!(failed, next);
    says(failed, "for its next attempt").await;
    let page = desk.page(&format!("/jobs/email/{failed}")).await;
    assert!(page.contains("smtp_450") && page.contains("&lt;script&gt;alert('busy')"), "{page}");
    let later = desk.enter(greet(3), delay(DAY)).await;
    says(later, "delayed until").await;

    desk.enter(greet(4), JobOptions::default()).await;
    let dead = desk.end(Verdict::Dead { failure: failure() }).await;
    says(dead, "dead; a worker brings it to the dead-letter topic").await;

    let unknown = millgate_jobs::JobKind::elsewhere("sms", "email");
    let now = desk.queue.now().await.unwrap();
    let unknown = unknown.job(&serde_json::json!({}), JobOptions::default(), now).unwrap();
    let unknown = desk.queue.enqueue(&[unknown]).await.unwrap()[0].id().unwrap();
    says(unknown, "no handler of this application does jobs of kind sms").await;
    desk.queue.drain().await.unwrap();
    assert!(desk.page(&format!("/jobs/email/{unknown}")).await.contains("being drained"));
    desk.sound().await;
}

#[tokio::test]
async fn a_held_job_says_behind_which_other() {
    let desk = Desk::open().await;
    let lane = || JobOptions::default().ordered_by("ada");
    let mut ids = Vec::new();
    for number in 0..3 {
        ids.push(desk.enter(greet(number), lane()).await);
    }
    let behind = async |id: JobId| {
        let page = desk.api(&format!("/jobs/email/{id}")).await;
        let reason = &page["reasons"][0];
        (reason["behind"].as_str().unwrap_or_default().to_owned(), reason["text"].as_str().unwrap().to_owned())
    };
    let (job, text) = behind(ids[2]).await;
    assert!(job == ids[1].as_str() && text.contains("1 wait in front of it"), "{text}");
    let (job, text) = behind(ids[1]).await;
    assert!(job == ids[0].as_str() && text.contains("waits for a worker"), "{text}");
    let running = desk.take().await;
    let (job, text) = behind(ids[1]).await;
    assert!(job == ids[0].as_str() && text.contains("runs"), "{text}");
    desk.hand.settle(&[(running, Verdict::Retry { after: DAY, failure: failure() })]).await.unwrap();
    let (job, text) = behind(ids[1]).await;
    assert!(job == ids[0].as_str() && text.contains("failed, and is tried again at"), "{text}");
    let page = desk.page(&format!("/jobs/email/{}", ids[1])).await;
    assert!(page.contains(&format!("href=\"/jobs/email/{}\"", ids[0])), "{page}");
}

#[tokio::test]
async fn a_job_shows_where_it_comes_from_and_a_viewer_only_looks() {
    let desk = Desk::of(viewer(millgate_dashboard::access::Role::Viewer, &[])).await;
    let origin = Origin {
        event_id: "e/17".into(),
        event_source: "/shop".into(),
        event_type: "order.created".into(),
        correlation_id: "r-1".into(),
        record: "orders/3/41".into(),
        ..Origin::default()
    };
    let job = NewJob::of(&greet(1), JobOptions::default()).unwrap().caused_by("e/17/greet".into(), origin);
    let id = desk.queue.enqueue(&[job]).await.unwrap()[0].id().unwrap();
    let page = desk.page(&format!("/jobs/email/{id}")).await;
    assert!(page.contains("href=\"/events/e%2F17?by=event\"") && page.contains("orders/3/41"), "{page}");
    assert!(!page.contains("action=\"/actions\""), "{page}");
    assert!(!desk.page("/jobs?queue=email").await.contains("action=\"/actions\""));
    let gone = desk.page("/jobs/email/0mwqnd2k1003").await;
    assert!(gone.contains("is not in queue email") && gone.contains("/events/0mwqnd2k1003?by=job"), "{gone}");
    assert_eq!(desk.get("/api/jobs/email/0mwqnd2k1003").await.status, 404);
}
