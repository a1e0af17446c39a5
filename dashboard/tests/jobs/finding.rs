//! Jobs by a filter, page by page.

use millgate_jobs::{JobOptions, JobState, delay};
use serde_json::{Value, json};

use crate::desk::{DAY, Desk, greet};

fn numbers(list: &Value) -> Vec<u64> {
    list["jobs"].as_array().unwrap().iter().map(|job| job["arguments"]["number"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn every_filter_lets_through_what_it_says() {
    let desk = Desk::open().await;
    desk.enter_many(3).await;
    desk.enter(greet(10), delay(DAY).index("order", "o7")).await;
    let lane = || JobOptions::default().ordered_by("ada");
    desk.enter(greet(20), lane()).await;
    desk.enter(greet(21), lane()).await;
    let found = async |query: &str| numbers(&desk.api(&format!("/jobs?{query}")).await);
    assert_eq!(found("").await.len(), 6);
    assert_eq!(found("queue=crm.sync").await, [0_u64; 0]);
    assert_eq!(found("state=delayed").await, [10]);
    assert_eq!(found("state=held").await, [21]);
    assert_eq!(found("kind=greet&state=waiting").await, [0, 1, 2, 20]);
    assert_eq!(found("kind=other").await, [0_u64; 0]);
    assert_eq!(found("where=order%3Do7").await, [10]);
    assert_eq!(found("where=order%3Do7&state=waiting").await, [0_u64; 0]);
    assert_eq!(found("where=payload.whom%3Dm20@mail.example").await, [20]);
    assert_eq!(found("where=payload.number%3D1&queue=email").await, [1]);
    // Delayed jobs by when they run, others by when they were enqueued.
    assert_eq!(found("state=delayed&since=%2B23h&until=%2B25h").await, [10]);
    assert_eq!(found("state=delayed&until=%2B23h").await, [0_u64; 0]);
    assert_eq!(found("since=1h&until=%2B1h").await, [0, 1, 2, 20, 21]);
    assert_eq!(found("until=1h").await, [0_u64; 0]);

    let all = desk.api("/jobs?queue=email").await;
    assert_eq!((&all["total"], &all["is_exact"], &all["next"]), (&json!(6), &json!(true), &Value::Null));
    for (query, message) in [
        ("state=asleep", "`asleep` is no state; there are waiting"),
        ("where=order", "`order` is no FIELD=VALUE"),
        ("since=soon", "`soon` is neither a time"),
        ("from=elsewhere", "that is no place in these jobs"),
    ] {
        let answer = desk.get(&format!("/api/jobs?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.json()["error"].as_str().unwrap().contains(message), "{}", answer.text);
    }
    // On the page the form is there, to mend it.
    assert!(desk.page("/jobs?state=asleep").await.contains("`asleep` is no state"));
}

#[tokio::test]
async fn pages_follow_one_another_and_show_each_job_once() {
    let desk = Desk::open().await;
    desk.enter_many(307).await;
    for filter in ["queue=email&", "", "kind=greet&", "since=1h&"] {
        let (mut seen, mut from, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let list = desk.api(&format!("/jobs?{filter}limit=40{from}")).await;
            seen.extend(numbers(&list));
            pages += 1;
            match list["next"].as_str() {
                Some(next) => from = format!("&from={next}"),
                None => break,
            }
        }
        assert_eq!(seen, (0..307).collect::<Vec<_>>(), "{filter}");
        assert!(pages >= 8, "{filter}");
    }
    let first = desk.api("/jobs?queue=email&state=waiting").await;
    assert_eq!((&first["total"], &first["is_exact"]), (&json!(307), &json!(true)), "known without looking");
    let page = desk.page("/jobs?queue=email").await;
    assert!(page.contains("Next page") && page.contains("from="), "{page}");
}

/// More jobs than a page looks at.
#[tokio::test]
async fn a_search_in_the_arguments_goes_on_where_it_stopped() {
    let desk = Desk::open().await;
    desk.enter_many(9_000).await;
    let (mut calls, mut found, mut from) = (0, Vec::new(), String::new());
    let mut looked = 0;
    loop {
        let list = desk.api(&format!("/jobs?queue=email&where=payload.number%3D8999{from}")).await;
        calls += 1;
        found.extend(numbers(&list));
        let now = list["looked"].as_u64().unwrap();
        assert!(now >= looked, "{list}");
        looked = now;
        assert_eq!(list["of"], 9_000);
        match list["next"].as_str() {
            Some(next) => from = format!("&from={next}"),
            None => break,
        }
    }
    assert!(calls >= 3, "{calls}: no call looks at more than 4,000");
    assert_eq!((found, looked), (vec![8_999], 9_000));
    let page = desk.page("/jobs?queue=email&where=payload.number%3D8999").await;
    assert!(page.contains("None among those looked at so far") && page.contains("Go on looking"), "{page}");
    assert!(page.contains("data-still"), "it is not looked for every two seconds");
}

#[tokio::test]
async fn what_nobody_is_shown_is_not_found_out_by_looking_for_it() {
    let desk = Desk::open().await;
    desk.enter_many(1).await;
    for path in
        ["/api/jobs?where=payload.secret%3D1", "/jobs.csv?where=payload.in.secret%3D1", "/jobs?where=secret%3D1"]
    {
        let answer = desk.get(path).await;
        assert!(answer.text.contains("nobody is shown the field `secret`"), "{path}: {}", answer.text);
    }
}

#[tokio::test]
async fn an_id_leads_to_its_job_or_to_events() {
    let desk = Desk::open().await;
    let id = desk.enter_many(1).await[0];
    let own = millgate_jobs::NewJob::of(&greet(1), JobOptions::default()).unwrap().with_id("event-17/0");
    let key = desk.queue.enqueue(&[own]).await.unwrap()[0].id().unwrap();
    let to = async |id: &str| desk.get(&format!("/find?id={id}")).await.location;
    assert_eq!(to(id.as_str()).await, format!("/jobs/email/{id}"));
    assert_eq!(to("event-17%2F0").await, format!("/jobs/email/{key}"));
    assert_eq!(to("order%20%267").await, "/events/find?id=order%20%267");
    assert_eq!(to("").await, "/jobs");
    // Two jobs of one name.
    let two = millgate_jobs::NewJob::of(&greet(2), JobOptions::default()).unwrap().with_id("event-17/0");
    desk.other.enqueue(&[two]).await.unwrap();
    assert_eq!(to("event-17%2F0").await, "/events/find?id=event-17%2F0");
    assert_eq!(desk.api("/jobs?where=id%3Devent-17%2F0").await["jobs"].as_array().unwrap().len(), 2);
    assert_eq!(desk.state(key).await, Some(JobState::Waiting));
}
