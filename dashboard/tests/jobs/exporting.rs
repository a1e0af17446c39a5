//! Jobs as files.

use millgate_jobs::{JobOptions, delay};

use crate::desk::{DAY, Desk, Greet, greet};

#[tokio::test]
async fn all_that_match_are_in_the_file() {
    let desk = Desk::open().await;
    desk.enter_many(1_234).await;
    desk.enter(greet(9_999), delay(DAY)).await;
    let csv = desk.get("/jobs.csv?queue=email").await;
    assert_eq!(csv.status, 200);
    assert_eq!(csv.text.lines().count(), 1_236, "with a line for the columns");
    assert!(csv.text.starts_with("queue,key,id,kind,"), "{}", &csv.text[..100]);
    let json = desk.get("/jobs.json?queue=email&state=waiting").await.json();
    let numbers: Vec<u64> =
        json.as_array().unwrap().iter().map(|job| job["arguments"]["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..1_234).collect::<Vec<_>>());
    assert_eq!(desk.get("/jobs.json?state=dead").await.json(), serde_json::json!([]));
    assert_eq!(desk.get("/jobs.csv?state=asleep").await.status, 400);
}

#[tokio::test]
async fn what_somebody_put_into_a_job_is_no_formula() {
    let desk = Desk::open().await;
    let evil = Greet { whom: "a\"b".into(), number: 1 };
    desk.enter(evil, JobOptions::default().ordered_by("=HYPERLINK(\"http://evil.example\")").unique("@SUM(1)")).await;
    let csv = desk.get("/jobs.csv?queue=email").await.text;
    let line = csv.lines().nth(1).unwrap();
    assert!(line.contains("\"'=HYPERLINK(\"\"http://evil.example\"\")\""), "{line}");
    assert!(line.contains(",'@SUM(1),"), "{line}");
    assert!(line.contains(r#""{""number"":1,""whom"":""a\""b""}""#), "{line}");
}
